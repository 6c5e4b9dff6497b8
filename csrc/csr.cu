// CUDA kernels of csr; their bodies and launch shapes are in csr_body.hpp.
#include "csr_body.hpp"
#include "cuda.cuh"
#include "instantiate.hpp"

namespace pysolve::cuda {

// 1 to 32 threads a row, by the mean row length.
template <class I, class T>
void csr_matvec(const csr<I, T>& A, const T* x, T* y) {
  if (A.n_rows == 0) return;
  queue("csr_matvec").run(csr_matvec_body<I, device_t<T>>{on_device(A), on_device(x), on_device(y)});
}

// As csr_matvec, then one block that adds up the blocks' sums.
template <class I, class T>
sum_t<T> csr_matvec_dot(const csr<I, T>& A, const T* x, T* y) {
  if (A.n_rows == 0) return sum_t<T>();
  queue q("csr_matvec_dot");
  return on_host(q.sum(csr_matvec_dot_body<I, device_t<T>>{on_device(A), on_device(x), on_device(y)}));
}

// As csr_matvec_dot.
template <class I, class T>
double csr_residual(const csr<I, T>& A, const T* b, const T* x, T* r) {
  if (A.n_rows == 0) return 0;
  queue q("csr_residual");
  return q.sum(csr_residual_body<I, device_t<T>>{on_device(A), on_device(b), on_device(x), on_device(r)});
}

// One thread for each value of indptr; then, if that is right, rows as in csr_matvec.
template <class I, class T>
csr_report csr_check(const csr<I, T>& A, index_t nnz) {
  queue q("csr_check");
  return run_csr_check(q, on_device(A), nnz);
}

#define PYSOLVE_INSTANTIATE(I, T)                                         \
  template void csr_matvec(const csr<I, T>&, const T*, T*);               \
  template sum_t<T> csr_matvec_dot(const csr<I, T>&, const T*, T*);       \
  template double csr_residual(const csr<I, T>&, const T*, const T*, T*); \
  template csr_report csr_check(const csr<I, T>&, index_t);
PYSOLVE_FOR_INDEX_VALUE(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cuda
