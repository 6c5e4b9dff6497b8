// A launch of the device on one host thread: the threads of a block are fibers that take turns, and change at every
// sync and shuffle. Nothing runs at the same time, so races are not found; a thread of a block that misses a sync is.
#pragma once
#include <ucontext.h>

#include <cstring>
#include <functional>
#include <stdexcept>
#include <vector>

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
};
inline thread_local block_state state;

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
    static_assert(sizeof(S) <= slot_bytes);
    constexpr int warp = pysolve::cuda::warp_threads;
    const bool within = number % warp + offset < warp;
    S from;
    std::memcpy(static_cast<void*>(state.fibers[number].slot), &v, sizeof v);
    give_way();
    std::memcpy(static_cast<void*>(&from), state.fibers[within ? number + offset : number].slot, sizeof from);
    give_way();
    return from;
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
  for (int t = 0; t < state.threads; ++t) prepare(state.fibers[t]);
  for (int left = state.threads; left > 0;)
    for (int t = 0; t < state.threads; ++t) {
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
  for (state.block = 0; state.block < state.n_blocks; ++state.block) run_block();
}

// What cuda.cuh's queue is to the device.
struct queue {
  explicit queue(const char*) {}
  template <class Body>
  void run(const Body& body) {
    launch(body.n_blocks(), [&] { body(place()); });
  }
  template <class Body, class... Bodies>
  typename Body::result sum(const Body& body, const Bodies&... bodies) {
    using S = typename Body::result;
    std::vector<S> part;
    sum_blocks(body, part);
    (sum_blocks(bodies, part), ...);
    std::vector<S> total;
    sum_blocks(pysolve::cuda::total_body<S>{part.data(), index_t(part.size())}, total);
    return total[0];
  }

 private:
  template <class Body, class S>
  void sum_blocks(const Body& body, std::vector<S>& part) {
    std::vector<S> warp_sum(pysolve::cuda::max_warps);
    launch(body.n_blocks(), [&] {
      const place at;
      const S total = pysolve::cuda::block_sum(at, S(body(at)), warp_sum.data());
      if (at.thread() == 0) part.push_back(total);
    });
  }
};

}  // namespace simulated

// The name by which the .cu files launch.
namespace pysolve::cuda {
using simulated::queue;
}
