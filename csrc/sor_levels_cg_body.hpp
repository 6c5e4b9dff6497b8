// The CUDA kernels of the preconditioner of split matrices and of ssor_cg with it, as bodies (see device_body.hpp).
//
// An iteration is that of sor_cg.cpp: down the levels z = M^-1 r and (D + U) z from one reading of U, up the levels
// L z and y = K^-1 r from one reading of L. What needs no order goes in passes of its own, with the sums: p, x and
// the norms.  m (v + 4) + n (25 v + 8) bytes, 3 m + 29 n flops an iteration.
#pragma once
#include "sor_levels_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// ---- the preconditioner ------------------------------------------------------------------------------------------

// up: y = (D/omega + L)^-1 r.  down: y = (D/omega + U)^-1 (2 - omega)/omega D y in place, and z = y in the caller's numbers.
template <class T, bool down>
struct level_triangle_body {
  split_view<T> A;
  const T* r;
  T *y, *z;
  double omega;
  level_range range;
  PYSOLVE_BODY index_t n_blocks() const { return level_blocks(range, A.lanes); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    using real = real_t<T>;
    over_levels(at, A, range, [&](index_t p, bool is_there, int lane) {
      T sum = T();
      if (is_there) sum = share<T>(down ? A.upper : A.lower, p, lane, A.lanes, static_cast<const T*>(y));
      sum = lanes_sum(at, sum, A.lanes);
      if (!is_there || lane > 0) return;
      const real factor = real(omega) / A.diagonal[p];
      if (down) {
        y[p] = scaled(real(2 - omega), y[p]) - scaled(factor, sum);
        z[A.row[p]] = y[p];
      } else {
        y[p] = scaled(factor, r[A.row[p]] - sum);
      }
    });
  }
};

// ---- ssor_cg -----------------------------------------------------------------------------------------------------

// All in the numbers of the schedule; (z_i, y_i) lie side by side in zy.
template <class T>
struct level_cg_vectors {
  T *x, *r, *p, *q, *zy;
  index_t n;
  double omega;
};

// z = K^-H (2 - omega)/omega D y, and (D + U) z in the place of y.
template <class T>
struct level_descend_body {
  split_view<T> A;
  level_cg_vectors<T> v;
  level_range range;
  const sor_course* course;
  PYSOLVE_BODY index_t n_blocks() const { return level_blocks(range, A.lanes); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    using real = real_t<T>;
    if (ended(course)) return;
    over_levels(at, A, range, [&](index_t i, bool is_there, int lane) {
      T Uz = T();
      if (is_there)
        for (index_t k = index_t(A.upper.start[i]) + lane; k < index_t(A.upper.start[i + 1]); k += A.lanes)
          Uz += A.upper.value[k] * v.zy[2 * index_t(A.upper.column[k])];
      Uz = lanes_sum(at, Uz, A.lanes);
      if (!is_there || lane > 0) return;
      const real d = A.diagonal[i], omega = real(v.omega);
      const T z = scaled(real(2 - v.omega), v.zy[2 * i + 1]) - scaled(omega / d, Uz);
      v.zy[2 * i] = z;
      v.zy[2 * i + 1] = Uz + scaled(d, z);
    });
  }
};

// p = z + beta p; sums of |p|^2 and of z^H A z = re z^H (2 (D + U) z - D z).
template <class T>
struct level_direction_body {
  using result = two_sums<double>;
  split_view<T> A;
  level_cg_vectors<T> v;
  const sor_course* course;
  PYSOLVE_BODY bool skip() const { return ended(course); }
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(v.n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE result operator()(const Place& at) const {
    using real = real_t<T>;
    const real beta = real(course->state.beta);
    result sums;
    over_elements(at, v.n, [&](index_t i) {
      const T z = v.zy[2 * i], product = v.zy[2 * i + 1];
      const T direction = beta == 0 ? z : z + scaled(beta, v.p[i]);
      v.p[i] = direction;
      sums.first += squared(direction);
      sums.second += real_part(inner(z, scaled(real(2), product) - scaled(A.diagonal[i], z)));
    });
    return sums;
  }
};

// Where `steps` is set q = A z + beta q, r -= alpha q; always y = K^-1 r.
template <class T, bool steps>
struct level_ascend_body {
  split_view<T> A;
  level_cg_vectors<T> v;
  level_range range;
  const sor_course* course;
  PYSOLVE_BODY index_t n_blocks() const { return level_blocks(range, A.lanes); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    using real = real_t<T>;
    if (ended(course)) return;
    const real alpha = real(course->alpha), beta = real(course->state.beta);
    over_levels(at, A, range, [&](index_t i, bool is_there, int lane) {
      two_sums<T> L;  // L z and L y
      if (is_there)
        for (index_t k = index_t(A.lower.start[i]) + lane; k < index_t(A.lower.start[i + 1]); k += A.lanes) {
          const T a = A.lower.value[k];
          const T* zy = v.zy + 2 * index_t(A.lower.column[k]);
          L.first += a * zy[0];
          L.second += a * zy[1];
        }
      L = lanes_sum(at, L, A.lanes);
      if (!is_there || lane > 0) return;
      T residual = v.r[i];
      if (steps) {
        T product = L.first + v.zy[2 * i + 1];
        if (beta != 0) product += scaled(beta, v.q[i]);
        v.q[i] = product;
        residual = residual - scaled(alpha, product);
        v.r[i] = residual;
      }
      v.zy[2 * i + 1] = scaled(real(v.omega) / A.diagonal[i], residual - L.second);
    });
  }
};

// Where `steps` is set x += alpha p; sums of |r|^2 and y^H D y.
template <class T, bool steps>
struct level_step_body {
  using result = two_sums<double>;
  split_view<T> A;
  level_cg_vectors<T> v;
  const sor_course* course;
  PYSOLVE_BODY bool skip() const { return ended(course); }
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(v.n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE result operator()(const Place& at) const {
    const real_t<T> alpha = real_t<T>(course->alpha);
    result sums;
    over_elements(at, v.n, [&](index_t i) {
      const T y = v.zy[2 * i + 1];
      if (steps) v.x[i] += scaled(alpha, v.p[i]);
      sums.first += squared(v.r[i]);
      sums.second += real_part(inner(y, scaled(A.diagonal[i], y)));  // d y may be a number where y^2 is none
    });
    return sums;
  }
};

// alpha, from p^H p and z^H A z: p^H A p = z^H A z - beta^2 (p^H A p of the direction before).
template <class T>
struct level_alpha {
  sor_course* course;
  PYSOLVE_BODY void operator()(const two_sums<double>& sums) const {
    run_state& s = course->state;
    const double pAp = sums.second - s.beta * s.beta * s.curvature;
    course->alpha = s.rho / pAp;
    if (!is_number(pAp) || !is_number(s.rho))
      s.end = run_end::not_finite;
    else if (!(pAp > 0) || !(s.rho > 0) || (is_number(sums.first) && pAp <= s.floor * sums.first))
      s.end = run_end::not_positive;
    else if (!is_number(double(real_t<T>(course->alpha))) || !is_number(double(real_t<T>(s.beta))))
      s.end = run_end::not_finite;
    s.curvature = s.end == run_end::steps ? pAp : pAp / sums.first;
  }
};

// rho of a new start (no norms), or with beta after a step, whose end this is.
struct level_next {
  sor_course* course;
  double omega;
  double* norms;
  PYSOLVE_BODY void operator()(const two_sums<double>& sums) const {
    run_state& s = course->state;
    const double rho = (2 - omega) / omega * sums.second, norm = std::sqrt(sums.first);
    s.beta = norms ? rho / s.rho : 0;
    s.rho = rho;
    if (norms == nullptr) {
      s.curvature = 0;
      return;
    }
    norms[s.n_steps++] = norm;
    if (!is_number(norm))
      s.end = run_end::not_finite;
    else if (norm <= s.tolerance)
      s.end = run_end::tolerance;
  }
};

// ---- the order of launches ---------------------------------------------------------------------------------------

template <class Queue, class Sums, class T, class Begin>
struct level_ssor_cg {
  Queue& queue;
  const Sums& sums;
  const split_view<T>& A;
  const Begin& begin;
  level_cg_vectors<T> v;
  sor_course* course;
  double* norms;

  index_t n_launches() const {
    index_t count = 2;
    over_level_groups(begin, A.lanes, false, [&](const level_range&) { count += 2; });
    return count;
  }
  // y of r, and rho; with `steps` the end of a step.
  template <bool steps>
  void ascend() {
    over_level_groups(begin, A.lanes, false, [&](const level_range& range) {
      queue.run(level_ascend_body<T, steps>{A, v, range, course});
    });
    queue.finish(sums, level_step_body<T, steps>{A, v, course},
                 level_next{course, v.omega, steps ? norms : nullptr});
  }
  void step() {
    over_level_groups(begin, A.lanes, true, [&](const level_range& range) {
      queue.run(level_descend_body<T>{A, v, range, course});
    });
    queue.finish(sums, level_direction_body<T>{A, v, course}, level_alpha<T>{course});
    ascend<true>();
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
