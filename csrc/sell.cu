// CUDA kernels of sell; their bodies and launch shapes are in sell_body.hpp.
#include "cuda.cuh"
#include "instantiate.hpp"
#include "sell_body.hpp"

namespace pysolve::cuda {

// One thread for each slice.
template <class I, class T>
void sell_measure(const csr<I, T>& A, index_t* columns_of, index_t* gathered_of) {
  if (A.n_rows == 0) return;
  queue("sell_measure").run(sell_measure_body<I, device_t<T>>{on_device(A), columns_of, gathered_of});
}

// One thread for each slice.
template <class I, class T>
void sell_pack(const csr<I, T>& A, const index_t* slice_ptr, const index_t* gather_ptr, std::int32_t* column,
               std::int32_t* indices, T* data) {
  if (A.n_rows == 0) return;
  queue("sell_pack")
      .run(sell_pack_body<I, device_t<T>>{on_device(A), slice_ptr, gather_ptr, column, indices,
                                          on_device(data)});
}

// One thread for each row.
template <class T>
void sell_matvec(const sell<T>& A, const T* x, T* y) {
  if (A.n_rows == 0) return;
  queue("sell_matvec").run(sell_matvec_body<device_t<T>>{on_device(A), on_device(x), on_device(y)});
}

// One thread for each row, then one block that adds up the blocks' sums.
template <class T>
sum_t<T> sell_matvec_dot(const sell<T>& A, const T* x, T* y) {
  if (A.n_rows == 0) return sum_t<T>();
  queue q("sell_matvec_dot");
  return on_host(q.sum(sell_matvec_dot_body<device_t<T>>{on_device(A), on_device(x), on_device(y)}));
}

// As sell_matvec_dot.
template <class T>
double sell_residual(const sell<T>& A, const T* b, const T* x, T* r) {
  if (A.n_rows == 0) return 0;
  queue q("sell_residual");
  return q.sum(sell_residual_body<device_t<T>>{on_device(A), on_device(b), on_device(x), on_device(r)});
}

#define PYSOLVE_INSTANTIATE_PACK(I, T)                              \
  template void sell_measure(const csr<I, T>&, index_t*, index_t*); \
  template void sell_pack(const csr<I, T>&, const index_t*, const index_t*, std::int32_t*, std::int32_t*, T*);
PYSOLVE_FOR_INDEX_VALUE(PYSOLVE_INSTANTIATE_PACK)

#define PYSOLVE_INSTANTIATE(T)                                     \
  template void sell_matvec(const sell<T>&, const T*, T*);         \
  template sum_t<T> sell_matvec_dot(const sell<T>&, const T*, T*); \
  template double sell_residual(const sell<T>&, const T*, const T*, T*);
PYSOLVE_FOR_VALUE(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cuda
