// CUDA kernels of sor on stencil operators: sweeps, the preconditioner, and conjugate gradients with it. Their bodies are
// in sor_red_black_body.hpp, sor_waves_body.hpp and sor_cg_body.hpp, the order of launches in sor_stencil_run.hpp.
#include "sor_stencil.hpp"

#include <algorithm>
#include <limits>

#include "cuda.cuh"
#include "instantiate.hpp"
#include "sor_course_memory.hpp"
#include "sor_stencil_run.hpp"

namespace pysolve::cuda {
// Red-black sweeps of a 2-D box in one launch, of a 3-D box in two; in natural order a launch for each wide wave. The norm
// of the last iterate is a launch of its own.
template <class T>
void sor_run_stencil(const grid<T>& A, const T* b, T* x, double omega, sor_direction sweep, sor_order order,
                     double* norms, run_state& state) {
  const index_t n = A.size(), most = state.n_steps;
  const bool asks = !(state.tolerance < 0);
  queue q("sor_run_stencil");
  const sum_memory<double> sums(q.name());
  const index_t apart = (n + 15) / 16 * 16;
  const bool both_ways = sweep == sor_direction::symmetric;
  const scratch<T> more((both_ways ? 3 : 2) * apart, q.name());
  const scratch<double> found(most + 1, q.name());
  const course_memory<queue, scratch> course(q, state);
  T* const next = more.data();
  stencil_sweeps<queue, sum_memory<double>, T> sweeps{q,
                                                      sums,
                                                      A,
                                                      b,
                                                      {x, next, next + apart},
                                                      both_ways ? next + 2 * apart : nullptr,
                                                      T(omega),
                                                      sweep,
                                                      order == sor_order::multicolor,
                                                      asks,
                                                      course.get(),
                                                      found.data()};
  const index_t steps = most > 0 && asks ? most + 1 : most;
  const sor_course end = follow<lookout<sor_course>>(q, course.get(), steps, sweeps.n_launches(),
                                                     [&](index_t k) { sweeps.step(k, k == most); });
  state.end = end.state.end;
  state.n_steps = asks ? end.state.n_steps : most;
  if (asks)
    q.download(norms, found.data(), state.n_steps);
  else
    std::fill(norms, norms + most, std::numeric_limits<double>::quiet_NaN());
  const index_t result = asks ? end.result : most;
  if (result % 3 != 0) q.run(sor_copy_body<T>{sweeps.iterate[result % 3], x, n, nullptr});
}

template <class T>
void sor_precondition_stencil(const grid<T>& A, double omega, const T* r, T* z) {
  queue q("sor_precondition_stencil");
  run_triangle<true>(q, A, r, z, T(omega));
  run_triangle<false>(q, A, static_cast<const T*>(z), z, T(omega));
}

// Work: p, then y, then A p.
template <class T>
void ssor_cg_run_stencil(const grid<T>& A, double omega, T* x, T* r, T* work, double* norms,
                         run_state& state) {
  const index_t n = A.size(), most = state.n_steps;
  queue q("ssor_cg_run_stencil");
  const sum_memory<double> sums(q.name());
  const scratch<double> found(most + 1, q.name());
  const course_memory<queue, scratch> course(q, state);
  stencil_ssor_cg<queue, sum_memory<double>, T> cg{
      q, sums, A, T(omega), x, r, work, work + n, work + 2 * n, course.get(), found.data()};
  if (!(state.rho > 0)) cg.ascend(nullptr);
  state = follow<lookout<sor_course>>(q, course.get(), most, triangle_launches(A) + 4, [&](index_t) {
            cg.step();
          }).state;
  q.download(norms, found.data(), state.n_steps);
}

#define PYSOLVE_INSTANTIATE(T)                                                                           \
  template void sor_run_stencil(const grid<T>&, const T*, T*, double, sor_direction, sor_order, double*, \
                                run_state&);                                                             \
  template void sor_precondition_stencil(const grid<T>&, double, const T*, T*);                          \
  template void ssor_cg_run_stencil(const grid<T>&, double, T*, T*, T*, double*, run_state&);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cuda
