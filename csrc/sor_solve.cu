// Whole solves over the CUDA kernels of sor and ssor_cg: the host leads them, and sees the device's scalars every few steps.
#include "cuda.cuh"
#include "instantiate.hpp"
#include "sor_device_split.hpp"
#include "sor_solve_course.hpp"
#include "stencil_body.hpp"

namespace pysolve::cuda {

template <class I, class T>
solve_report sor_solve_csr(const sor_split<T>& split, const csr<I, T>& A, const T* b, T* x, T* work,
                           const solve_method& method, const solve_control& control) {
  const double squares = queue("sor_solve_csr").sum(squares_body<device_t<T>>{on_device(b), A.n_rows});
  return solve(csr_kernels<I, T>{split, A}, squares, b, x, work, A.n_rows, method, control);
}

template <class T>
solve_report sor_solve_stencil(const grid<T>& A, const T* b, T* x, T* work, const solve_method& method,
                               const solve_control& control) {
  const double squares = queue("sor_solve_stencil").sum(squares_body<T>{b, A.size()});
  return solve(stencil_kernels<T>{A}, squares, b, x, work, A.size(), method, control);
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

}  // namespace pysolve::cuda
