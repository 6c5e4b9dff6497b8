// A launch of the device on one host thread: the threads of a block are fibers that take turns, and change at every
// sync and shuffle. Nothing runs at the same time: a race is found only where the order of turns tells, which can be turned
// round (PYSOLVE_SIMULATED_BACKWARD); a thread of a block that misses a sync is always found.
#pragma once
#include <ucontext.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <stdexcept>
#include <vector>

#include "cuda.cuh"
#include "device_body.hpp"

// The launches that a thread starts with; fewer and smaller ones take less time.
#if !defined(PYSOLVE_SIMULATED_THREADS)
#define PYSOLVE_SIMULATED_THREADS pysolve::cuda::block_threads
#define PYSOLVE_SIMULATED_BLOCKS pysolve::cuda::max_blocks
#endif

namespace simulated {

using pysolve::index_t;

constexpr std::size_t stack_bytes = 64 << 10, slot_bytes = 128;

struct fiber {
  ucontext_t context;
  std::vector<char> stack = std::vector<char>(stack_bytes);
  alignas(16) unsigned char slot[slot_bytes];  // what it shows to the others in a shuffle
  bool done;
  index_t n_syncs;
};

// The block being run. One launch at a time in each thread of the host.
struct block_state {
  int threads = PYSOLVE_SIMULATED_THREADS;
  index_t most_blocks = PYSOLVE_SIMULATED_BLOCKS;
  index_t block = 0, n_blocks = 1;
  int current = 0;
  ucontext_t scheduler;
  std::vector<fiber> fibers = std::vector<fiber>(pysolve::cuda::block_threads);
  std::function<void()> work;
  bool is_last = false;
  std::uintptr_t stream = 0;
  int device = 0;
  std::vector<unsigned char> dynamic;
  std::vector<std::pair<unsigned char*, std::size_t>> shared;  // what bodies have asked for
};
inline thread_local block_state state;

// Whether the threads of a block, and the blocks of a launch, take turns from the last to the first: what depends on
// their order is a race, and shows where the answers of both orders differ.
inline bool backward() {
  static const bool is_backward = std::getenv("PYSOLVE_SIMULATED_BACKWARD") != nullptr;
  return is_backward;
}

// What nobody has written is no number.
inline void spoil(unsigned char* memory, std::size_t bytes) { std::memset(memory, 0xff, bytes); }

inline void give_way() {
  fiber& self = state.fibers[state.current];
  ++self.n_syncs;
  swapcontext(&self.context, &state.scheduler);
}

struct place {
  int number = state.current;
  int thread() const { return number; }
  int block_threads() const { return state.threads; }
  index_t block() const { return state.block; }
  index_t n_blocks() const { return state.n_blocks; }
  void sync() const { give_way(); }
  template <class S>
  S shuffle_down(const S& v, int offset) const {
    constexpr int warp = pysolve::cuda::warp_threads;
    const int lane = number % warp;
    return shuffle(v, lane + offset < warp ? lane + offset : lane);
  }
  template <class S>
  S shuffle(const S& v, int lane) const {
    static_assert(sizeof(S) <= slot_bytes);
    constexpr int warp = pysolve::cuda::warp_threads;
    S from;
    std::memcpy(static_cast<void*>(state.fibers[number].slot), &v, sizeof v);
    give_way();
    std::memcpy(static_cast<void*>(&from), state.fibers[number / warp * warp + (lane & (warp - 1))].slot,
                sizeof from);
    give_way();
    return from;
  }
  std::int32_t load(const std::int32_t* p) const { return *p; }
  std::int32_t atomic_min(std::int32_t* p, std::int32_t v) const {
    const std::int32_t before = *p;
    *p = v < before ? v : before;
    return before;
  }
  template <class S, int count, int tag = 0>
  S* shared() const {
    alignas(16) static thread_local unsigned char memory[count * sizeof(S)];
    static thread_local const bool is_new = [] {
      spoil(memory, sizeof memory);
      state.shared.emplace_back(memory, sizeof memory);
      return true;
    }();
    static_cast<void>(is_new);
    return reinterpret_cast<S*>(memory);
  }
  template <class S>
  S* dynamic_shared() const {
    return reinterpret_cast<S*>(state.dynamic.data());
  }
  bool is_last(unsigned* arrived) const {
    give_way();
    if (number == 0) {
      state.is_last = ++*arrived == unsigned(state.n_blocks);
      if (state.is_last) *arrived = 0;
    }
    give_way();
    return state.is_last;
  }
  static constexpr bool in_step = true;
  // Each thread from what the others of its warp show, by the layout in device_body.hpp.
  void mma(double (&c)[4], const double (&a)[4], const double (&b)[2]) const {
    double* const mine = reinterpret_cast<double*>(state.fibers[number].slot);
    for (int i = 0; i < 4; ++i) mine[i] = a[i];
    for (int i = 0; i < 2; ++i) mine[4 + i] = b[i];
    give_way();
    const int lane = number % pysolve::cuda::warp_threads, first = number - lane;
    const auto shown = [&](int g, int t, int i) {
      return reinterpret_cast<const double*>(state.fibers[first + 4 * g + t].slot)[i];
    };
    for (int k = 0; k < 8; ++k)
      for (int i = 0; i < 4; ++i)
        c[i] += shown(lane / 4, k % 4, i / 2 + k / 4 * 2) * shown(lane % 4 * 2 + i % 2, k % 4, 4 + k / 4);
    give_way();
  }
};

inline void fiber_main() {
  state.work();
  state.fibers[state.current].done = true;
}

inline void prepare(fiber& f) {
  getcontext(&f.context);
  f.context.uc_stack.ss_sp = f.stack.data();
  f.context.uc_stack.ss_size = f.stack.size();
  f.context.uc_link = &state.scheduler;
  f.done = false;
  f.n_syncs = 0;
  makecontext(&f.context, fiber_main, 0);
}

// work() in every thread of one block.
inline void run_block() {
  for (const auto& [memory, bytes] : state.shared) spoil(memory, bytes);
  spoil(state.dynamic.data(), state.dynamic.size());
  for (int t = 0; t < state.threads; ++t) prepare(state.fibers[t]);
  for (int left = state.threads; left > 0;)
    for (int turn = 0; turn < state.threads; ++turn) {
      const int t = backward() ? state.threads - 1 - turn : turn;
      if (state.fibers[t].done) continue;
      state.current = t;
      swapcontext(&state.scheduler, &state.fibers[t].context);
      left -= state.fibers[t].done;
    }
  for (int t = 1; t < state.threads; ++t)
    if (state.fibers[t].n_syncs != state.fibers[0].n_syncs)
      throw std::logic_error("the threads of a block do not reach the same syncs");
}

template <class Work>
void launch(index_t n_blocks, Work&& work) {
  state.n_blocks = n_blocks < state.most_blocks ? n_blocks : state.most_blocks;
  state.work = work;
  state.stream = pysolve::cuda::call::stream();
  state.device = pysolve::cuda::call::device();
  for (index_t turn = 0; turn < state.n_blocks; ++turn) {
    state.block = backward() ? state.n_blocks - 1 - turn : turn;
    run_block();
  }
}

template <class S>
class scratch {
 public:
  scratch(index_t count, const char*) : memory_(std::size_t(count) * sizeof(S)) {
    spoil(memory_.data(), memory_.size());
  }
  S* data() const { return reinterpret_cast<S*>(memory_.data()); }
  void clear() { std::memset(memory_.data(), 0, memory_.size()); }

 private:
  mutable std::vector<unsigned char> memory_;
};

template <class S>
class kept {
 public:
  kept() = default;
  kept(index_t count, const char*) : memory_(std::size_t(count) * sizeof(S)), size_(count) {
    spoil(memory_.data(), memory_.size());
  }
  S* data() const { return reinterpret_cast<S*>(memory_.data()); }
  index_t size() const { return size_; }
  index_t bytes() const { return index_t(memory_.size()); }

 private:
  mutable std::vector<unsigned char> memory_;
  index_t size_ = 0;
};

template <class S>
struct sum_memory {
  scratch<S> part;
  scratch<unsigned> arrived;
  explicit sum_memory(const char* name) : part(pysolve::cuda::max_blocks, name), arrived(1, name) {
    arrived.clear();
  }
  operator pysolve::cuda::sum_place() const { return {part.data(), arrived.data()}; }
};

// What cuda.cuh's queue is to the device.
class queue {
 public:
  explicit queue(const char* name) : name_(name) {}
  const char* name() const { return name_; }
  template <class Body>
  void run(const Body& body) {
    if constexpr (requires { body.shared_bytes(); }) state.dynamic.resize(std::size_t(body.shared_bytes()));
    launch(body.n_blocks(), [&] { body(place()); });
  }
  template <class Body, class... Bodies>
  typename Body::result sum(const Body& body, const Bodies&... bodies) {
    typename Body::result total;
    sum_into(&total, body, bodies...);
    return total;
  }
  // A launch may have fewer blocks here than it asks for: the parts that they leave out add nothing.
  template <class Body, class... Bodies>
  void sum_into(typename Body::result* where, const Body& body, const Bodies&... bodies) {
    using S = typename Body::result;
    std::vector<S> part((body.n_blocks() + ... + bodies.n_blocks()));
    S* next = part.data();
    ((next = sum_blocks(body, next)), ..., (next = sum_blocks(bodies, next)));
    sum_blocks(pysolve::cuda::total_body<S>{part.data(), index_t(part.size())}, where);
  }
  template <class Body, class Finish>
  void finish(const pysolve::cuda::sum_place& memory, const Body& body, const Finish& f) {
    run(pysolve::cuda::finished_sum_body<Body, Finish>{body, f, memory});
  }
  template <class S>
  S fetch(const S* from) {
    return *from;
  }
  template <class S>
  void download(S* to, const S* from, index_t count) {
    if (count > 0) std::memcpy(static_cast<void*>(to), from, std::size_t(count) * sizeof(S));
  }
  template <class S>
  void upload(S* to, const S* from, index_t count) {
    download(to, from, count);
  }

 private:
  template <class Body, class S>
  S* sum_blocks(const Body& body, S* part) {
    run(pysolve::cuda::block_sums_body<Body>{body, part});
    return part + body.n_blocks();
  }
  const char* name_;
};

template <class S>
class lookout {
 public:
  explicit lookout(const char*) {}
  int under_way() const { return int(sent_.size()); }
  void send(const S* from) {
    if (under_way() == 2) throw std::logic_error("more than two copies are under way");
    sent_.push_back(*from);
  }
  S receive() {
    const S oldest = sent_.front();
    sent_.pop_front();
    return oldest;
  }

 private:
  std::deque<S> sent_;
};

}  // namespace simulated

// The names by which the .cu files launch.
namespace pysolve::cuda {
using simulated::kept;
using simulated::lookout;
using simulated::queue;
using simulated::scratch;
using simulated::sum_memory;
}  // namespace pysolve::cuda

#include "simulated_tensor_core.hpp"
