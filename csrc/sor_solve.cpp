#include "instantiate.hpp"
#include "simd.hpp"
#include "sor_solve_course.hpp"
#include "sor_split.hpp"

namespace pysolve::cpu {
namespace {

// b . b, four sums side by side.
template <class T>
PYSOLVE_CLONES double squares_of(const T* b, index_t n) {
  double sums[4] = {};
  index_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int k = 0; k < 4; ++k) sums[k] += squared(b[i + k]);
  for (; i < n; ++i) sums[0] += squared(b[i]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

}  // namespace

template <class I, class T>
solve_report sor_solve_csr(const sor_split<T>& split, const csr<I, T>& A, const T* b, T* x, T* work,
                           const solve_method& method, const solve_control& control) {
  return solve(csr_kernels<I, T>{split, A}, squares_of(b, A.n_rows), b, x, work, A.n_rows, method, control);
}

template <class T>
solve_report sor_solve_stencil(const grid<T>& A, const T* b, T* x, T* work, const solve_method& method,
                               const solve_control& control) {
  return solve(stencil_kernels<T>{A}, squares_of(b, A.size()), b, x, work, A.size(), method, control);
}

#define PYSOLVE_INSTANTIATE(I, T)                                                              \
  template solve_report sor_solve_csr(const sor_split<T>&, const csr<I, T>&, const T*, T*, T*, \
                                      const solve_method&, const solve_control&);
PYSOLVE_FOR_INDEX_VALUE(PYSOLVE_INSTANTIATE)
#undef PYSOLVE_INSTANTIATE
#define PYSOLVE_INSTANTIATE(T)                                                                   \
  template solve_report sor_solve_stencil(const grid<T>&, const T*, T*, T*, const solve_method&, \
                                          const solve_control&);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)
#undef PYSOLVE_INSTANTIATE

}  // namespace pysolve::cpu
