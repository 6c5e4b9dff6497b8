// Passes over the rows of a sor_split by one thread or several, in the order of its schedule or against it.
//
// With several threads, blocks are dealt out in turn, and each thread takes its own in order. Before a chunk it
// waits until the chunks of other threads' blocks that this one reads from are done: the threads follow each other
// through the matrix as a pipeline. Every row does the same sums as with one thread, so that the bits are equal.
//
// Such a pipeline stands still while one of its threads has no core to run on. Where a thread had to wait for long,
// the first one does the next passes alone, and the team is tried again later.
#pragma once
#include <chrono>
#include <thread>

#include "parallel.hpp"
#include "simd.hpp"
#include "sor_split.hpp"

namespace pysolve::cpu {

// A wait beyond this says that another thread is not running: a chunk takes about a microsecond.
constexpr std::chrono::microseconds stall(200);
constexpr index_t alone_at_first = 16;  // passes after a first stall; twice as many after each further one

struct alignas(64) chunk_progress {
  std::atomic<index_t> done{0};  // the rank of the last chunk that its thread has done

  // False where that took longer than a running thread would.
  bool await(index_t rank) const {
    for (int spins = 0; spins < 2000; ++spins) {
      if (done.load(std::memory_order_acquire) >= rank) return true;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
    const auto begin = std::chrono::steady_clock::now();
    while (done.load(std::memory_order_acquire) < rank) std::this_thread::yield();
    return std::chrono::steady_clock::now() - begin < stall;
  }
};

// When a team is to work and when its first thread alone, as each thread knows it: all see the same stalls.
struct team_turns {
  index_t round = 0;  // of the next pass
  index_t together_from = 0, alone = alone_at_first;
  void after_pass(bool stalled) {
    ++round;
    if (!stalled) return;
    together_from = round + alone;
    alone *= 2;
  }
};

// What a team shares for a run: who has come how far, and a sum by chunk for the pass under way and the one before.
template <class T, class Sum>
struct team_of_passes {
  const sor_split<T>& A;
  std::vector<chunk_progress> at;
  std::vector<Sum> part;
  std::atomic<bool> stalled[2] = {false, false};
  barrier meet;
  team_of_passes(const sor_split<T>& A_, int threads)
      : A(A_), at(std::size_t(threads)), part(std::size_t(2 * A_.n_chunks)) {}

  // part[c] = f(c) for every chunk in order; returns their sum to every thread.
  template <bool ascending, class F>
  Sum pass(team_turns& turns, int thread, int threads, F&& f) {
    const index_t round = turns.round;
    Sum* sums = part.data() + (round & 1) * A.n_chunks;
    if (threads > 1 && round >= turns.together_from) {
      for (index_t turn = thread; turn < A.n_blocks; turn += threads)
        block<ascending>(round, turn, thread, threads, sums, f);
    } else if (thread == 0) {
      for (index_t c = 0; c < A.n_chunks; ++c) {
        const index_t own = ascending ? c : A.n_chunks - 1 - c;
        sums[own] = f(own);
      }
    }
    meet.wait(threads);
    turns.after_pass(threads > 1 && stalled[round & 1].load(std::memory_order_relaxed));
    // All read the other one before the barrier they have passed; a stall that this overwrites will be seen again.
    if (thread == 0) stalled[(round + 1) & 1].store(false, std::memory_order_relaxed);
    return sum(sums, A.n_chunks);
  }

 private:
  template <bool ascending, class F>
  void block(index_t round, index_t turn, int thread, int threads, Sum* sums, F&& f) {
    const triangle<T>& half = ascending ? A.lower : A.upper;
    const index_t b = ascending ? turn : A.n_blocks - 1 - turn, begin = A.block[b], end = A.block[b + 1];
    const auto rank = [&](index_t c) { return round * A.n_chunks + (ascending ? c + 1 : A.n_chunks - c); };
    for (index_t step = 0; step < end - begin; ++step) {
      const index_t c = ascending ? begin + step : end - 1 - step;
      for (index_t w = half.wait_start[c]; w < half.wait_start[c + 1]; ++w) {
        const index_t g = half.waits[w], of = A.block_of[g];
        const int owner = int((ascending ? of : A.n_blocks - 1 - of) % threads);
        if (owner != thread && !at[owner].await(rank(g)))
          stalled[round & 1].store(true, std::memory_order_relaxed);
      }
      sums[c] = f(c);
      at[thread].done.store(rank(c), std::memory_order_release);
    }
  }
};

// Threads for passes of so many bytes each: as many as there are blocks at most.
template <class T>
int pass_threads(const sor_split<T>& A, index_t bytes) {
  return A.lower.wait_start.empty() ? 1 : int(std::min<index_t>(n_threads(bytes), A.n_blocks));
}

// out[p] = in[row[p]], and back.
template <class T>
void to_schedule(const sor_split<T>& A, const T* in, T* out, int thread, int threads) {
  const index_t end = first_block(A.n, thread + 1, threads);
  for (index_t p = first_block(A.n, thread, threads); p < end; ++p) out[p] = in[A.row[p]];
}
template <class T>
void from_schedule(const sor_split<T>& A, const T* in, T* out, int thread, int threads) {
  const index_t end = first_block(A.n, thread + 1, threads);
  for (index_t p = first_block(A.n, thread, threads); p < end; ++p) out[A.row[p]] = in[p];
}

// Entries of a triangle, row by row from the start of a chunk (ascending) or from its end.
template <bool ascending, class T>
struct entries {
  const std::int32_t* length;
  const std::int32_t* column;
  const T* value;
  index_t k;
  PYSOLVE_INLINE entries(const triangle<T>& half, index_t chunk)
      : length(half.length.get()),
        column(half.column.get()),
        value(half.value.get()),
        k(half.start[ascending ? chunk : chunk + 1]) {}
  // visit(value, column) for every entry of row p, the next one in this direction.
  template <class F>
  PYSOLVE_INLINE void row(index_t p, F&& visit) {
    const index_t count = length[p];
    if constexpr (!ascending) k -= count;
    const std::int32_t* j = column + k;
    const T* a = value + k;
    for (index_t e = 0; e < count; ++e) visit(a[e], index_t(j[e]));
    if constexpr (ascending) k += count;
  }
};

}  // namespace pysolve::cpu
