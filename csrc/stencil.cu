// CUDA kernels of stencil; their bodies and launch shapes are in stencil_body.hpp.
#include "cuda.cuh"
#include "instantiate.hpp"
#include "stencil_body.hpp"

namespace pysolve::cuda {

// A warp for each piece of a row, neighbouring threads at neighbouring cells; then the decoupled cells.
template <class T>
void stencil_matvec(const grid<T>& A, const T* x, T* y) {
  queue q("stencil_matvec");
  run_stencil_matvec(q, A, x, y);
}

// The same, then one block that adds up the blocks' sums.
template <class T>
double stencil_matvec_dot(const grid<T>& A, const T* x, T* y) {
  queue q("stencil_matvec_dot");
  return run_stencil_matvec_dot(q, A, x, y);
}

// The same; where there are decoupled cells r is read once more for its norm.
template <class T>
double stencil_residual(const grid<T>& A, const T* b, const T* x, T* r) {
  queue q("stencil_residual");
  return run_stencil_residual(q, A, b, x, r);
}

#define PYSOLVE_INSTANTIATE(T)                                      \
  template void stencil_matvec(const grid<T>&, const T*, T*);       \
  template double stencil_matvec_dot(const grid<T>&, const T*, T*); \
  template double stencil_residual(const grid<T>&, const T*, const T*, T*);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cuda
