// CUDA kernels of kron; their bodies and launch shapes are in kron_body.hpp.
#include "cuda.cuh"
#include "instantiate.hpp"
#include "kron_body.hpp"

namespace pysolve::cuda {

// One launch: by slabs where the factor is small, else by tiles.
template <class T>
void kron_mode_product(const kron_factor<T>& A, index_t left, index_t right, const T* x, T* y) {
  queue q("kron_mode_product");
  run_kron_mode_product(q, A, left, right, x, y);
}

// What lies between the passes; the number of threads does not count.
template <class T>
index_t kron_work_size(const std::vector<kron_factor<T>>& factors, index_t columns, int) {
  const kron_sizes sizes(factors, columns);
  if (sizes.empty()) return 0;
  if (sizes.largest(factors) >= kron_largest / 64) return -1;
  const auto between = kron_between(factors, sizes);
  return between[0] + between[1];
}

// A launch for each pass.
template <class T>
void kron_matvec(const std::vector<kron_factor<T>>& factors, index_t columns, const T* x, T* y, T* work, index_t) {
  queue q("kron_matvec");
  run_kron_matvec(q, factors, columns, x, y, work);
}

#define PYSOLVE_INSTANTIATE(T)                                                            \
  template void kron_mode_product(const kron_factor<T>&, index_t, index_t, const T*, T*); \
  template index_t kron_work_size(const std::vector<kron_factor<T>>&, index_t, int);      \
  template void kron_matvec(const std::vector<kron_factor<T>>&, index_t, const T*, T*, T*, index_t);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cuda
