// The loop of conjugate gradients, written once for every operator that runs compiled. An operator knows its
// share of the unknowns by thread, and provides
//   direction(thread, threads, beta)  p = M r + beta p; part_p: p^H p and what is known of p^H A p
//   product(thread, threads)          the rest of p^H A p, once p is complete everywhere
//   update(thread, threads, alpha)    x += alpha p, r -= alpha A p; part_r: r^H r and r^H M r
// with the sums block by block in part_p and part_r, so that every thread adds them up in the same order.
#pragma once
#include <cmath>

#include "conjugate_directions.hpp"
#include "parallel.hpp"
#include "simd.hpp"

namespace pysolve::cpu {

struct pair_sum {
  double first = 0, second = 0;
  pair_sum& operator+=(const pair_sum& o) {
    first += o.first;
    second += o.second;
    return *this;
  }
};

// Run by every thread with a state of its own: all see the same sums and take the same decisions.
template <class Operator>
run_state run_steps(Operator& A, barrier& meet, int thread, int threads, run_state s, double* norms) {
  const index_t most = s.n_steps;
  s.n_steps = 0;
  s.end = run_end::steps;
  if (!(s.rho > 0)) {
    A.update(thread, threads, 0.0);
    meet.wait(threads);
    s.rho = sum(A.part_r, A.cut.count).second;
    meet.wait(threads);
  }
  while (s.n_steps < most) {
    A.direction(thread, threads, s.beta);
    meet.wait(threads);
    A.product(thread, threads);
    meet.wait(threads);
    const pair_sum p = sum(A.part_p, A.cut.count);
    s.curvature = p.second / p.first;
    if (!std::isfinite(p.second) || !std::isfinite(s.rho)) {
      s.end = run_end::not_finite;
      break;
    }
    if (!(p.second > s.floor * p.first)) {
      s.end = run_end::not_positive;
      break;
    }
    const double alpha = s.rho / p.second;
    if (!std::isfinite(static_cast<typename Operator::real>(alpha))) {
      s.end = run_end::not_finite;
      break;
    }
    A.update(thread, threads, alpha);
    meet.wait(threads);
    const pair_sum r = sum(A.part_r, A.cut.count);
    s.beta = r.second / s.rho;
    s.rho = r.second;
    if (thread == 0) norms[s.n_steps] = std::sqrt(r.first);
    ++s.n_steps;
    if (!std::isfinite(r.first)) {
      s.end = run_end::not_finite;
      break;
    }
    if (std::sqrt(r.first) <= s.tolerance) {
      s.end = run_end::tolerance;
      break;
    }
  }
  return s;
}

template <class Operator>
void run(Operator& A, int threads, double* norms, run_state& state) {
  const run_state start = state;
  barrier meet;
#if defined(_OPENMP)
#pragma omp parallel num_threads(threads) if (threads > 1)
#endif
  {
    const run_state end = run_steps(A, meet, thread_id(), team_size(), start, norms);
    if (thread_id() == 0) state = end;
  }
  (void)threads;
}

}  // namespace pysolve::cpu
