// Passes over the rows of a sor_split by one thread or several, in the order of its schedule or against it.
//
// With several threads, blocks are dealt out in turn, and each thread takes its own in order. Before a chunk it
// waits until the chunks of other threads' blocks that this one reads from are done: the threads follow each other
// through the matrix as a pipeline. Every row does the same sums as with one thread, so that the bits are equal.
#pragma once
#include <thread>

#include "parallel.hpp"
#include "simd.hpp"
#include "sor_split.hpp"

namespace pysolve::cpu {

struct alignas(64) progress {
  std::atomic<index_t> done{0};  // the rank of the last chunk that its thread has done
  void await(index_t rank) const {
    for (int spins = 0; done.load(std::memory_order_acquire) < rank; ++spins) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
      if (spins > 2000) std::this_thread::yield();
    }
  }
};

// What a team shares for a run: who has come how far, and a sum by chunk for the pass under way and the one before.
template <class T, class Sum>
struct team_of_passes {
  const sor_split<T>& A;
  std::vector<progress> at;
  std::vector<Sum> part;
  barrier meet;
  team_of_passes(const sor_split<T>& A_, int threads)
      : A(A_), at(std::size_t(threads)), part(std::size_t(2 * A_.n_chunks)) {}

  // part[c] = f(c) for every chunk in order, as the `round`-th pass (from 0); returns their sum to every thread.
  template <bool ascending, class F>
  Sum pass(index_t round, int thread, int threads, F&& f) {
    Sum* sums = part.data() + (round & 1) * A.n_chunks;
    if (threads <= 1)
      for (index_t c = 0; c < A.n_chunks; ++c) {
        const index_t own = ascending ? c : A.n_chunks - 1 - c;
        sums[own] = f(own);
      }
    else
      for (index_t turn = thread; turn < A.n_blocks; turn += threads)
        block<ascending>(round, turn, thread, threads, sums, f);
    meet.wait(threads);
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
        if (owner != thread) at[owner].await(rank(g));
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
