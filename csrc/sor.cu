// CUDA kernels of sor; their bodies and launch shapes are in sor_body.hpp.
//
// Here are the sweeps over a set of rows that do not wait for each other: a set of a csr matrix, a colour of a stencil
// operator. Runs, preconditioners and conjugate gradients are in sor_matrix.cu and sor_stencil.cu, how a matrix is split
// in sor_split.cu, whole solves in sor_solve.cu. In the natural order a row waits for those before it: a launch takes
// the rows that wait for the same ones (levels, waves), so that iterates and omega are those of the CPU.
#include "cuda.cuh"
#include "instantiate.hpp"
#include "sor_body.hpp"

namespace pysolve::cuda {

// 1 to 32 threads a row, by the mean row length.
template <class I, class T>
void sor_sweep_csr(const csr<I, T>& A, const index_t* rows, index_t n_rows, const T* b, T* x, double omega) {
  if (n_rows == 0) return;
  queue("sor_sweep_csr")
      .run(sor_sweep_csr_body<I, device_t<T>>{on_device(A), rows, n_rows, on_device(b), on_device(x), omega});
}

// A warp for each piece of a row, neighbouring threads at neighbouring cells of the colour.
template <class T>
void sor_sweep_stencil(const grid<T>& A, const T* b, T* x, double omega, int colour) {
  queue q("sor_sweep_stencil");
  run_sor_sweep_stencil(q, A, b, x, T(omega), colour);
}

#define PYSOLVE_INSTANTIATE(T) template void sor_sweep_stencil(const grid<T>&, const T*, T*, double, int);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)
#define PYSOLVE_INSTANTIATE_SWEEP(I, T) \
  template void sor_sweep_csr(const csr<I, T>&, const index_t*, index_t, const T*, T*, double);
PYSOLVE_FOR_INDEX_VALUE(PYSOLVE_INSTANTIATE_SWEEP)

}  // namespace pysolve::cuda
