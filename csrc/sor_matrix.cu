// CUDA kernels of sor on split matrices: sweeps, the preconditioner, and conjugate gradients with it. Their bodies are in
// sor_levels_body.hpp and sor_levels_cg_body.hpp, the order of launches in sor_levels_run.hpp.
#include "cuda.cuh"
#include "instantiate.hpp"
#include "sor_course_memory.hpp"
#include "sor_levels_cg_body.hpp"
#include "sor_levels_run.hpp"
#include "sor_split_arrays.hpp"

namespace pysolve::cuda {

template <class T>
void sor_run_csr(const sor_split<T>& A, const T* b, T* x, double omega, sor_direction direction,
                 double* norms, run_state& state) {
  using D = device_t<T>;
  const index_t n = A.n, most = state.n_steps;
  state.n_steps = 0;
  state.end = run_end::steps;
  if (most <= 0) return;
  queue q("sor_run_csr");
  const split_view<D> view = A.arrays().view(n);
  const sum_memory<double> sums(q.name());
  const scratch<D> vectors(4 * n + 1, q.name());
  const scratch<sum_t<D>> products(2 * n + 1, q.name());
  const scratch<double> found(most, q.name());
  const course_memory<queue, scratch> course(q, state);
  D* const first = vectors.data();
  level_sweeps<queue, sum_memory<double>, D, std::vector<index_t>> sweeps{
      q,
      sums,
      view,
      A.level_begin,
      direction,
      {first, nullptr, nullptr, products.data(), products.data() + n, omega},
      {first + n, first + 2 * n, first + 3 * n},
      nullptr,
      course.get(),
      found.data()};
  scratch<double> part(sweeps.n_parts() + 1, q.name());
  part.clear();
  sweeps.part = part.data();
  q.run(reorder_body<D>{view.row, on_device(b), first, n, false});
  q.run(reorder_body<D>{view.row, on_device(x), sweeps.iterate[0], n, false});
  sweeps.start();
  const sor_course end = follow<lookout<sor_course>>(q, course.get(), most + 1, sweeps.n_launches(),
                                                     [&](index_t k) { sweeps.step(k, k == most); });
  state.end = end.state.end;
  state.n_steps = end.state.n_steps;
  q.download(norms, found.data(), state.n_steps);
  if (end.result > 0) q.run(reorder_body<D>{view.row, sweeps.iterate[end.result % 3], on_device(x), n, true});
}

template <class T>
void sor_precondition_csr(const sor_split<T>& A, double omega, const T* r, T* z) {
  using D = device_t<T>;
  if (A.n == 0) return;
  queue q("sor_precondition_csr");
  const split_view<D> view = A.arrays().view(A.n);
  const scratch<D> y(A.n, q.name());
  over_level_groups(A.level_begin, view.lanes, false, [&](const level_range& range) {
    q.run(level_triangle_body<D, false>{view, on_device(r), y.data(), on_device(z), omega, range});
  });
  over_level_groups(A.level_begin, view.lanes, true, [&](const level_range& range) {
    q.run(level_triangle_body<D, true>{view, on_device(r), y.data(), on_device(z), omega, range});
  });
}

// Work: (z, y) side by side, then p, then q; at the end of a run that is not positive it begins with p.
template <class T>
void ssor_cg_run_csr(const sor_split<T>& A, double omega, T* x, T* r, T* work, double* norms,
                     run_state& state) {
  using D = device_t<T>;
  const index_t n = A.n, most = state.n_steps;
  queue q("ssor_cg_run_csr");
  const split_view<D> view = A.arrays().view(n);
  const sum_memory<two_sums<double>> sums(q.name());
  const scratch<D> vectors(2 * n + 1, q.name());
  const scratch<double> found(most + 1, q.name());
  const course_memory<queue, scratch> course(q, state);
  D *const own_x = vectors.data(), *const own_r = own_x + n, *const kept_work = on_device(work);
  level_ssor_cg<queue, sum_memory<two_sums<double>>, D, std::vector<index_t>> cg{
      q,
      sums,
      view,
      A.level_begin,
      {own_x, own_r, kept_work + 2 * n, kept_work + 3 * n, kept_work, n, omega},
      course.get(),
      found.data()};
  q.run(reorder_body<D>{view.row, on_device(x), own_x, n, false});
  q.run(reorder_body<D>{view.row, on_device(r), own_r, n, false});
  if (!(state.rho > 0)) cg.template ascend<false>();
  state =
      follow<lookout<sor_course>>(q, course.get(), most, cg.n_launches(), [&](index_t) { cg.step(); }).state;
  q.download(norms, found.data(), state.n_steps);
  if (state.end == run_end::not_positive) q.run(reorder_body<D>{view.row, cg.v.p, kept_work, n, true});
  if (state.n_steps == 0) return;
  q.run(reorder_body<D>{view.row, own_x, on_device(x), n, true});
  q.run(reorder_body<D>{view.row, own_r, on_device(r), n, true});
}

#define PYSOLVE_INSTANTIATE(T)                                                                              \
  template void sor_run_csr(const sor_split<T>&, const T*, T*, double, sor_direction, double*, run_state&); \
  template void sor_precondition_csr(const sor_split<T>&, double, const T*, T*);                            \
  template void ssor_cg_run_csr(const sor_split<T>&, double, T*, T*, T*, double*, run_state&);
PYSOLVE_FOR_VALUE(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cuda
