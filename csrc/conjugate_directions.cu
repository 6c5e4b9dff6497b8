// CUDA kernels of conjugate_directions; their bodies and launch shapes are in conjugate_directions_body.hpp.
#include "conjugate_directions_body.hpp"
#include "cuda.cuh"
#include "instantiate.hpp"

namespace pysolve::cuda {

// One thread for each unknown. z is read once for every 4 rows of Q, and once for the new direction; the
// coefficients pass through the host, where pq and c are.
template <class T>
direction_report<T> conjugate_directions_orthogonalise(const T* z, const T* r, T* P, const T* Q,
                                                       const double* pq, sum_t<T>* c, index_t n_keep,
                                                       index_t slot, index_t n) {
  queue q("conjugate_directions_orthogonalise");
  const auto sums =
      run_orthogonalise(q, on_device(z), on_device(r), on_device(P), on_device(Q), pq, c, n_keep, slot, n);
  return {on_host(sums.pr), sums.pp};
}

// One thread for each unknown, then one block that adds up the blocks' sums.
template <class T>
double conjugate_directions_step(T* x, T* r, const T* p, const T* q, T alpha, index_t n) {
  const step_body<device_t<T>> body{on_device(x), on_device(r),       on_device(p),
                                    on_device(q), *on_device(&alpha), n};
  return queue("conjugate_directions_step").sum(body);
}

#define PYSOLVE_INSTANTIATE(T)                                                                \
  template direction_report<T> conjugate_directions_orthogonalise(                            \
      const T*, const T*, T*, const T*, const double*, sum_t<T>*, index_t, index_t, index_t); \
  template double conjugate_directions_step(T*, T*, const T*, const T*, T, index_t);
PYSOLVE_FOR_VALUE(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cuda
