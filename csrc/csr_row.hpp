// Rows of a sparse matrix times a vector, and their share by thread: shared by csr.cpp and the solvers that run
// compiled.
#pragma once
#include "csr.hpp"
#include "parallel.hpp"
#include "simd.hpp"

namespace pysolve::cpu {

template <class I, class T>
index_t bytes_of(const csr<I, T>& A) {
  return (A.n_rows ? index_t(A.indptr[A.n_rows]) : 0) * index_t(sizeof(I) + sizeof(T)) +
         A.n_rows * index_t(2 * sizeof(T) + sizeof(I));
}

// Sum of one row, entries [k, end), in S, with four sums side by side: the additions of a long row do not
// wait for each other.
template <class S, class I, class T>
PYSOLVE_INLINE S row_times(const I* indices, const T* data, const T* x, index_t k, index_t end) {
  S s0 = S(), s1 = S(), s2 = S(), s3 = S();
  for (; k + 4 <= end; k += 4) {
    s0 += S(data[k]) * S(x[indices[k]]);
    s1 += S(data[k + 1]) * S(x[indices[k + 1]]);
    s2 += S(data[k + 2]) * S(x[indices[k + 2]]);
    s3 += S(data[k + 3]) * S(x[indices[k + 3]]);
  }
  if (k < end) s0 += S(data[k]) * S(x[indices[k]]);
  if (k + 1 < end) s1 += S(data[k + 1]) * S(x[indices[k + 1]]);
  if (k + 2 < end) s2 += S(data[k + 2]) * S(x[indices[k + 2]]);
  return (s0 + s1) + (s2 + s3);
}

// The block at which thread t starts when the entries, not the rows, are shared out evenly.
template <class I>
index_t first_block_by_entries(const I* indptr, const blocks& cut, int thread, int threads) {
  const I target = I(index_t(indptr[cut.n]) / threads * thread);
  if (thread == 0) return 0;
  if (thread == threads) return cut.count;
  const I* row = std::lower_bound(indptr, indptr + cut.n + 1, target);
  return std::min(cut.count, index_t(row - indptr) / cut.size);
}

}  // namespace pysolve::cpu
