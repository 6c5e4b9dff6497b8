// The threads of a simulated block: fibers that take turns.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <utility>
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
  jmp_buf here;                                // where it gave way
  bool begun, done;
  index_t n_syncs, n_shuffles;
};

// The block being run. One launch at a time in each thread of the host.
struct block_state {
  int threads = PYSOLVE_SIMULATED_THREADS;
  index_t most_blocks = PYSOLVE_SIMULATED_BLOCKS;
  index_t block = 0, n_blocks = 1;
  int current = 0, waiting = 0, left = 0;  // of the fibers at a sync, and not done
  index_t n_barriers = 0;                  // syncs that all have reached
  ucontext_t scheduler;
  jmp_buf turn;
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

// Changes between a fiber and the scheduler. After a fiber's first turn without the system calls of swapcontext, but for
// the address sanitizer, which must be told of each change.
#if defined(__SANITIZE_ADDRESS__)
inline void give_way() { swapcontext(&state.fibers[state.current].context, &state.scheduler); }
inline void take_turn() { swapcontext(&state.scheduler, &state.fibers[state.current].context); }
#else
inline void give_way() {
  if (_setjmp(state.fibers[state.current].here) == 0) _longjmp(state.turn, 1);
}
inline void take_turn() {
  fiber& next = state.fibers[state.current];
  if (_setjmp(state.turn) != 0) return;
  if (next.begun) _longjmp(next.here, 1);
  next.begun = true;
  setcontext(&next.context);
}
#endif

inline void pass_barrier() {
  if (state.waiting < state.left) return;
  state.waiting = 0;
  ++state.n_barriers;
}

// Gives way until all threads of the block that are not done have come as far.
inline void wait_for_all() {
  ++state.fibers[state.current].n_syncs;
  ++state.waiting;
  const index_t barrier = state.n_barriers;
  pass_barrier();
  do give_way();
  while (state.n_barriers == barrier);
}

inline void fiber_main() {
  state.work();
  state.fibers[state.current].done = true;
  --state.left;
  if (state.waiting > 0) pass_barrier();
  for (;;) give_way();
}

inline void prepare(fiber& f) {
  getcontext(&f.context);
  f.context.uc_stack.ss_sp = f.stack.data();
  f.context.uc_stack.ss_size = f.stack.size();
  f.context.uc_link = nullptr;
  f.begun = f.done = false;
  f.n_syncs = f.n_shuffles = 0;
  makecontext(&f.context, fiber_main, 0);
}

// work() in every thread of one block.
inline void run_block() {
  for (const auto& [memory, bytes] : state.shared) spoil(memory, bytes);
  spoil(state.dynamic.data(), state.dynamic.size());
  for (int t = 0; t < state.threads; ++t) prepare(state.fibers[t]);
  state.left = state.threads;
  state.waiting = 0;
  while (state.left > 0)
    for (int turn = 0; turn < state.threads; ++turn) {
      const int t = backward() ? state.threads - 1 - turn : turn;
      if (state.fibers[t].done) continue;
      state.current = t;
      take_turn();
    }
  for (int t = 1; t < state.threads; ++t) {
    const fiber &other = state.fibers[t], &first = state.fibers[t - t % pysolve::cuda::warp_threads];
    if (other.n_syncs != state.fibers[0].n_syncs || other.n_shuffles != first.n_shuffles)
      throw std::logic_error(
          "the threads of a block do not reach the same syncs, or of a warp the same shuffles");
  }
}

}  // namespace simulated
