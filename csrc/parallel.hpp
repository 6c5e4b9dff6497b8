// Threads of the CPU backend, and sums that do not depend on how many there are.
#pragma once
#include <algorithm>
#include <atomic>

#include "view.hpp"
#if defined(_OPENMP)
#include <omp.h>
#endif

namespace pysolve::cpu {

// Work under this many bytes stays on the calling thread: waking another costs more than it saves.
constexpr index_t bytes_per_thread = 1 << 21;

// Threads for `bytes` of memory traffic: what OpenMP allows the calling thread (OMP_NUM_THREADS,
// threadpoolctl), and one in a forked child, where libgomp's team of the parent no longer exists.
int n_threads(index_t bytes);

inline int thread_id() {
#if defined(_OPENMP)
  return omp_get_thread_num();
#else
  return 0;
#endif
}

inline int team_size() {
#if defined(_OPENMP)
  return omp_get_num_threads();
#else
  return 1;
#endif
}

// Where the threads of a team wait for each other. They spin for the little time that this takes when all run, and
// then sleep: OpenMP's own barrier either sleeps at once or burns a whole time slice where a core is busy.
class barrier {
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<unsigned> round_{0};  // on a line of its own: it is what the others look at

 public:
  void wait(int threads) {
    if (threads <= 1) return;
    const unsigned round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) == threads - 1) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      round_.notify_all();
      return;
    }
    for (int spins = 0; spins < 2000; ++spins) {
      if (round_.load(std::memory_order_acquire) != round) return;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
    while (round_.load(std::memory_order_acquire) == round) round_.wait(round, std::memory_order_acquire);
  }
};

// [0, n) cut into at most max_blocks blocks. The cut depends on n alone, so a sum taken block by block and
// then over the blocks has the same bits with any number of threads.
struct blocks {
  static constexpr index_t max_blocks = 256;
  index_t n, size, count;
  explicit blocks(index_t n_, index_t least, index_t multiple = 1) : n(n_) {
    size = std::max(least, (n + max_blocks - 1) / max_blocks);
    size = (size + multiple - 1) / multiple * multiple;
    count = n > 0 ? (n + size - 1) / size : 0;
  }
  index_t begin(index_t block) const { return std::min(n, block * size); }
  index_t end(index_t block) const { return std::min(n, (block + 1) * size); }
};

// Blocks first(t) <= b < first(t+1) belong to thread t.
inline index_t first_block(index_t n_blocks, int thread, int threads) { return n_blocks * thread / threads; }

// f(begin, end) over an even cut of [0, count) by threads.
template <class F>
void parallel_ranges(index_t count, int threads, F&& f) {
  if (threads <= 1) {
    f(index_t(0), count);
    return;
  }
#if defined(_OPENMP)
#pragma omp parallel num_threads(threads)
  f(first_block(count, thread_id(), team_size()), first_block(count, thread_id() + 1, team_size()));
#else
  f(index_t(0), count);
#endif
}

// f(thread, team size) by every thread of a team.
template <class F>
void parallel_team(int threads, F&& f) {
  if (threads <= 1) {
    f(0, 1);
    return;
  }
#if defined(_OPENMP)
#pragma omp parallel num_threads(threads)
  f(thread_id(), team_size());
#else
  f(0, 1);
#endif
}

// state = f(thread, team size, state) by every thread of a team: all come to the same one.
template <class State, class F>
void parallel_run(int threads, State& state, F&& f) {
  const State given = state;
  parallel_team(threads, [&](int thread, int team) {
    const State end = f(thread, team, given);
    if (thread == 0) state = end;
  });
}

template <class S>
S sum(const S* part, index_t count) {
  S total = S();
  for (index_t i = 0; i < count; ++i) total += part[i];
  return total;
}

}  // namespace pysolve::cpu
