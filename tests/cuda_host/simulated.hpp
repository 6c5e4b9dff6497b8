// A launch of the device on one host thread: the threads of a block are fibers that take turns, and change at every
// sync and shuffle. Nothing runs at the same time: a race is found only where the order of turns tells, which can be turned
// round (PYSOLVE_SIMULATED_BACKWARD); a thread of a block that misses a sync is always found, and one of a warp that misses
// a shuffle.
#pragma once
#include <cstring>
#include <deque>
#include <stdexcept>
#include <vector>

#include "cuda.cuh"
#include "device_body.hpp"
#include "fibers.hpp"

namespace simulated {

struct place {
  int number = state.current;
  int thread() const { return number; }
  int block_threads() const { return state.threads; }
  index_t block() const { return state.block; }
  index_t n_blocks() const { return state.n_blocks; }
  void sync() const { wait_for_all(); }
  template <class S>
  S shuffle_down(const S& v, int offset) const {
    const int lane = number % pysolve::cuda::warp_threads;
    return shuffle(v, lane + offset < pysolve::cuda::warp_threads ? lane + offset : lane);
  }
  template <class S>
  S shuffle(const S& v, int lane) const {
    static_assert(sizeof(S) <= slot_bytes);
    constexpr int warp = pysolve::cuda::warp_threads;
    S from;
    ++state.fibers[number].n_shuffles;
    std::memcpy(static_cast<void*>(state.fibers[number].slot), &v, sizeof v);
    give_way();
    const int shown = number / warp * warp + (lane & (warp - 1));  // -1 is the last, as on the device
    std::memcpy(static_cast<void*>(&from), state.fibers[shown].slot, sizeof from);
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
    wait_for_all();
    if (number == 0) {
      state.is_last = ++*arrived == unsigned(state.n_blocks);
      if (state.is_last) *arrived = 0;
    }
    wait_for_all();
    return state.is_last;
  }
  static constexpr bool in_step = true;
  // Each thread from what the others of its warp show, by the layout in device_body.hpp.
  void mma(double (&c)[4], const double (&a)[4], const double (&b)[2]) const {
    double* const mine = reinterpret_cast<double*>(state.fibers[number].slot);
    for (int i = 0; i < 4; ++i) mine[i] = a[i];
    for (int i = 0; i < 2; ++i) mine[4 + i] = b[i];
    ++state.fibers[number].n_shuffles;
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
