// CUDA kernels of multilevel; their bodies and launch shapes are in multilevel_body.hpp and multilevel_setup_body.hpp.
#include "cuda.cuh"
#include "instantiate.hpp"
#include "multilevel_cycle_launch.hpp"
#include "multilevel_setup_body.hpp"

namespace pysolve::cuda {

// ---- a level made from the one below it: one launch each ----------------------------------------------------------

template <class T>
void multilevel_narrow(const T* values, double factor, float least, float* out, index_t n) {
  queue("multilevel_narrow").run(multilevel_narrow_body<T>{values, T(factor), least, out, n});
}

void multilevel_cells(const grid<float>& A, cell_net relaxation, cell_net resistance, float* inverse,
                      float* half) {
  queue("multilevel_cells")
      .run(multilevel_cells_body{A, net_copy(relaxation), net_copy(resistance), inverse, half});
}

// One thread for each coarse face, which sets the alpha of the cells at its two sides.
void multilevel_join(const pairing& p, const float* weights, const float* half, float* coarse, float* alpha) {
  queue("multilevel_join").run(multilevel_join_body{slabs(p), weights, half, coarse, alpha});
}

void multilevel_add(const pairing& p, const float* fine, float* coarse) {
  queue("multilevel_add").run(multilevel_add_body{slabs(p), fine, coarse});
}

// ---- the cycle ------------------------------------------------------------------------------------------------------

// One launch for each sweep, and before them two for the maxima, for which the caller waits.
template <class T>
descent multilevel_descend(const grid<float>& A, const T* b, double factor, const float* inverse,
                           const float* tau, int n_steps, float* u, float* x, float* y) {
  queue q("multilevel_descend");
  return run_multilevel_descend(q, A, b, factor, inverse, tau, n_steps, u, x, y);
}

template <class T>
void multilevel_ascend(const grid<float>& A, const float* alpha, const float* coarse, float scale,
                       const float* u, const float* inverse, const float* tau, int n_steps, float* x,
                       float* y, double factor, T* z) {
  queue q("multilevel_ascend");
  run_multilevel_ascend(q, A, alpha, coarse, scale, u, inverse, tau, n_steps, x, y, factor, z);
}

// One thread for each coarse value: it gathers, so that no two write to one place.
void multilevel_restrict(const pairing& p, const float* alpha, const float* fine, float* coarse) {
  queue("multilevel_restrict").run(multilevel_restrict_body{slabs(p), alpha, fine, coarse});
}

// One thread for each fine value.
void multilevel_prolong(const pairing& p, const float* alpha, const float* coarse, float scale, bool add,
                        float* fine) {
  queue("multilevel_prolong").run(multilevel_prolong_body{slabs(p), alpha, coarse, scale, add, fine});
}

// All of it: nothing here waits, allocates or copies, so that a stream that is captured takes it.
template <class T>
void multilevel_cycle(const cycle_plan& plan, const T* r, double factor, double last, bool keep, T* z) {
  queue q("multilevel_cycle");
  run_multilevel_cycle(q, plan, r, factor, last, keep, z);
}

#define PYSOLVE_INSTANTIATE(T)                                                                               \
  template void multilevel_narrow(const T*, double, float, float*, index_t);                                 \
  template descent multilevel_descend(const grid<float>&, const T*, double, const float*, const float*, int, \
                                      float*, float*, float*);                                               \
  template void multilevel_ascend(const grid<float>&, const float*, const float*, float, const float*,       \
                                  const float*, const float*, int, float*, float*, double, T*);              \
  template void multilevel_cycle(const cycle_plan&, const T*, double, double, bool, T*);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cuda
