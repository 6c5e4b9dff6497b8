// The symmetric preconditioner on its own, and the relaxation of one set of independent rows.
#include "csr_row.hpp"
#include "instantiate.hpp"
#include "sor_pass.hpp"

namespace pysolve::cpu {
namespace {

// y = (D/omega + L)^-1 r.
template <class T>
PYSOLVE_CLONES int chunk_forward(const sor_split<T>& A, double omega, const T* r, T* y, index_t c) {
  entries<true, T> past(A.lower, c);
  const std::int32_t* row = A.row.get();
  for (index_t i = A.chunk[c]; i < A.chunk[c + 1]; ++i) {
    T sum = T();
    past.row(i, [&](T a, index_t j) PYSOLVE_LAMBDA { sum += a * y[j]; });
    y[i] = (r[row[i]] - sum) * (real_t<T>(omega) / A.diagonal[i]);
  }
  return 0;
}

// z = (D/omega + U)^-1 (2 - omega)/omega D y, in place of y and in the caller's numbers.
template <class T>
PYSOLVE_CLONES int chunk_backward(const sor_split<T>& A, double omega, T* y, T* z, index_t c) {
  entries<false, T> past(A.upper, c);
  const std::int32_t* row = A.row.get();
  const real_t<T> left = real_t<T>(2 - omega);
  for (index_t i = A.chunk[c + 1]; i-- > A.chunk[c];) {
    T sum = T();
    past.row(i, [&](T a, index_t j) PYSOLVE_LAMBDA { sum += a * y[j]; });
    y[i] = left * y[i] - sum * (real_t<T>(omega) / A.diagonal[i]);
    z[row[i]] = y[i];
  }
  return 0;
}

template <class I, class T>
PYSOLVE_CLONES void relax_rows(const csr<I, T>& A, const index_t* rows, const T* b, T* x, double omega,
                               index_t begin, index_t end) {
  using S = sum_t<T>;
  for (index_t at = begin; at < end; ++at) {
    const index_t i = rows[at];
    S rest = S(b[i]), d = S();
    for (index_t k = A.indptr[i]; k < index_t(A.indptr[i + 1]); ++k) {
      const index_t j = A.indices[k];
      rest -= S(A.data[k]) * S(x[j]);
      if (j == i) d += S(A.data[k]);
    }
    x[i] = T(S(x[i]) + omega / std::real(d) * rest);
  }
}

}  // namespace

template <class T>
void sor_precondition_csr(const sor_split<T>& A, double omega, const T* r, T* z) {
  typename sor_split<T>::scratch memory(A, A.n);
  T* y = memory.get();
  const int threads = pass_threads(A, A.sweep_bytes());
  team_of_passes<T, int> team(A, threads);
  parallel_team(threads, [&](int thread, int size) {
    team.template pass<true>(0, thread, size, [&](index_t c) { return chunk_forward(A, omega, r, y, c); });
    team.template pass<false>(1, thread, size, [&](index_t c) { return chunk_backward(A, omega, y, z, c); });
  });
}

template <class I, class T>
void sor_sweep_csr(const csr<I, T>& A, const index_t* rows, index_t n_rows, const T* b, T* x, double omega) {
  const index_t share = A.n_rows > 0 ? bytes_of(A) / A.n_rows : 0;  // bytes of an average row
  parallel_ranges(n_rows, n_threads(share * n_rows),
                  [&](index_t begin, index_t end) { relax_rows(A, rows, b, x, omega, begin, end); });
}

#define PYSOLVE_INSTANTIATE(T) template void sor_precondition_csr(const sor_split<T>&, double, const T*, T*);
PYSOLVE_FOR_VALUE(PYSOLVE_INSTANTIATE)
#define PYSOLVE_INSTANTIATE_SWEEP(I, T) \
  template void sor_sweep_csr(const csr<I, T>&, const index_t*, index_t, const T*, T*, double);
PYSOLVE_FOR_INDEX_VALUE(PYSOLVE_INSTANTIATE_SWEEP)

}  // namespace pysolve::cpu
