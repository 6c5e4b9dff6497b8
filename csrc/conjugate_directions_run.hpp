// The loop of conjugate gradients, written once for every operator that runs compiled. An operator knows its
// share of the unknowns by thread, and provides
//   direction(thread, threads, beta)  p = M r + beta p; part_p: p^H p and what is known of p^H A p
//   product(thread, threads)          the rest of p^H A p, once p is complete everywhere
//   norms(thread, threads)            part_r: r^H r and r^H M r
//   update(thread, threads, alpha, s) x += s.p p + s.z M r, then r -= alpha A p; part_r: r^H r and r^H M r
//   move(thread, threads, s)          x += s.p p + s.z M r
// with the sums block by block in part_p and part_r, so that every thread adds them up in the same order.
#pragma once
#include <cmath>

#include "conjugate_directions.hpp"
#include "parallel.hpp"
#include "simd.hpp"

namespace pysolve::cpu {

// A team of threads that is woken for a run serves many steps: it pays for this many times less traffic in each
// than a team for a single product. More would pay on an idle machine, and cost on a busy one.
constexpr index_t steps_of_a_run = 4;

struct pair_sum {
  double first = 0, second = 0;
  pair_sum& operator+=(const pair_sum& o) {
    first += o.first;
    second += o.second;
    return *this;
  }
};

// What is added to x: p p + z M r, in the letters of the loop; nothing where both are 0.
struct x_step {
  double p = 0, z = 0;
  explicit operator bool() const { return p != 0 || z != 0; }
};

// x takes two steps at a time, so that it is read and written every second iteration only: the direction before
// this one is (p - M r) / beta. With a smaller beta more than a digit of it would be lost, and with a much larger
// one p may leave the numbers.
constexpr double least_beta = 1e-2, most_beta = 1e2;

// r^H r and r^H M r on [begin, end).
template <class T>
PYSOLVE_CLONES pair_sum range_norms(const T* r, const real_t<T>* d, index_t begin, index_t end) {
  lane_sum<T> rr, rz;
  for (index_t i = begin; i < end; ++i) {
    rr.add(r[i], r[i]);
    if (d) rz.add(r[i], d[i] * r[i]);
  }
  const double norm2 = std::real(rr.total());
  return {norm2, d ? std::real(rz.total()) : norm2};
}

template <class T>
PYSOLVE_CLONES void range_move(T* x, const T* r, const T* p, const real_t<T>* d, x_step step, index_t begin,
                               index_t end) {
  const real_t<T> along_p = real_t<T>(step.p), along_z = real_t<T>(step.z);
  for (index_t i = begin; i < end; ++i) x[i] += along_p * p[i];
  if (step.z == 0) return;  // M r may be beyond the numbers
  for (index_t i = begin; i < end; ++i) x[i] += along_z * (d ? d[i] * r[i] : r[i]);
}

// Why no step can be taken along p; run_end::steps if one can.
template <class real>
run_end fault(const pair_sum& p, const run_state& s, double step) {
  if (!std::isfinite(p.second) || !std::isfinite(s.rho)) return run_end::not_finite;
  if (!(p.second > s.floor * p.first)) return run_end::not_positive;
  return std::isfinite(static_cast<real>(step)) ? run_end::steps : run_end::not_finite;
}

// Run by every thread with a state of its own: all see the same sums and take the same decisions.
template <class Operator>
run_state run_steps(Operator& A, barrier& meet, int thread, int threads, run_state s, double* norms) {
  const index_t most = s.n_steps;
  s.n_steps = 0;
  s.end = run_end::steps;
  double owed = 0;  // x is still to be moved by owed p
  if (!(s.rho > 0)) {
    A.norms(thread, threads);
    meet.wait(threads);
    s.rho = sum(A.part_r, A.cut.count).second;
    meet.wait(threads);
  }
  while (s.n_steps < most) {
    if (owed != 0 && !(s.beta >= least_beta && s.beta <= most_beta)) {
      A.move(thread, threads, x_step{owed, 0});
      owed = 0;
    }
    const double before = owed != 0 ? owed / s.beta : 0;  // that in the letters of the new p
    A.direction(thread, threads, s.beta);
    meet.wait(threads);
    A.product(thread, threads);
    meet.wait(threads);
    const pair_sum p = sum(A.part_p, A.cut.count);
    s.curvature = p.second / p.first;
    const double alpha = s.rho / p.second;
    s.end = fault<typename Operator::real>(p, s, alpha + before);
    if (s.end != run_end::steps) {
      A.move(thread, threads, x_step{before, -before});
      return s;
    }
    const bool moves = owed != 0 || s.n_steps + 1 == most;
    A.update(thread, threads, alpha, moves ? x_step{alpha + before, -before} : x_step());
    owed = moves ? 0 : alpha;
    meet.wait(threads);
    const pair_sum r = sum(A.part_r, A.cut.count);
    s.beta = r.second / s.rho;
    s.rho = r.second;
    if (thread == 0) norms[s.n_steps] = std::sqrt(r.first);
    ++s.n_steps;
    if (!std::isfinite(r.first) || !std::isfinite(r.second)) {
      s.end = run_end::not_finite;
      break;
    }
    if (std::sqrt(r.first) <= s.tolerance) {
      s.end = run_end::tolerance;
      break;
    }
  }
  A.move(thread, threads, x_step{owed, 0});
  return s;
}

template <class Operator>
void run(Operator& A, int threads, double* norms, run_state& state) {
  barrier meet;
  parallel_run(threads, state, [&](int thread, int team, const run_state& given) {
    return run_steps(A, meet, thread, team, given, norms);
  });
}

}  // namespace pysolve::cpu
