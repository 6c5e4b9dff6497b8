// What the CUDA kernels of ssor_cg share: passes over whole vectors beside the solves with triangles, and the scalars
// between them, which stay on the device. One thread for each unknown; the limit is the memory's bandwidth.
#pragma once
#include "sor_waves_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// ---- on stencil operators ----------------------------------------------------------------------------------------

// p = z + beta p; where beta is 0 p may be anything.  3 v bytes and 2 flops a cell.
template <class T>
struct ssor_direction_body {
  const T* z;
  T* p;
  index_t n;
  const sor_course* course;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    if (ended(course)) return;
    const T beta = T(course->state.beta);
    over_elements(at, n, [&](index_t i) { p[i] = beta == 0 ? z[i] : z[i] + beta * p[i]; });
  }
};

// q = A p; returns p . q, as it was before it was rounded to T.  2 v bytes (5 v with arrays), 15 flops a cell.
template <class Weights, class T>
struct ssor_product_body {
  using result = double;
  static constexpr int blocks_at_once = 2;  // with no more registers than it likes something spills
  grid<T> A;
  const T* p;
  T* q;
  const sor_course* course;
  PYSOLVE_BODY bool skip() const { return ended(course); }
  PYSOLVE_BODY index_t n_blocks() const { return row_pieces(A.n).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE double operator()(const Place& at) const {
    double pAp = 0;
    over_pieces(A.n, at, [&](index_t row) {
      const index_t i = row / A.n[1], j = row - i * A.n[1];
      return [this, &pAp, row, i, j, around = rows_around<T>(A, p, i, j),
              weights = Weights(A, i, j)](index_t k) {
        const bool coupled = diagonal(weights, A, i, j, k) != 0;
        const double here = double(around.c[k]),
                     product = coupled ? weights.template times<double>(around, k) : here;
        q[row * A.n[2] + k] = T(product);
        pAp += here * product;
      };
    });
    return pAp;
  }
};

// x += alpha p, r -= alpha q; returns r . r.  6 v bytes and 6 flops a cell.
template <class T>
struct ssor_step_body {
  using result = double;
  T *x, *r;
  const T *p, *q;
  index_t n;
  const sor_course* course;
  PYSOLVE_BODY bool skip() const { return ended(course); }
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE double operator()(const Place& at) const {
    const T alpha = T(course->alpha);
    double rr = 0;
    over_elements(at, n, [&](index_t i) {
      x[i] += alpha * p[i];
      const T rest = r[i] - alpha * q[i];
      r[i] = rest;
      rr += squared(rest);
    });
    return rr;
  }
};

// y . D y.  v bytes (4 v with arrays), 9 flops a cell.
template <class Weights, class T>
struct ssor_rho_body {
  using result = double;
  grid<T> A;
  const T* y;
  const sor_course* course;
  PYSOLVE_BODY bool skip() const { return ended(course); }
  PYSOLVE_BODY index_t n_blocks() const { return row_pieces(A.n).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE double operator()(const Place& at) const {
    double sum = 0;
    over_pieces(A.n, at, [&](index_t row) {
      const index_t i = row / A.n[1], j = row - i * A.n[1];
      return [this, &sum, row, i, j, weights = Weights(A, i, j)](index_t k) {
        const T d = diagonal(weights, A, i, j, k), v = y[row * A.n[2] + k];
        sum += inner(v, (d == 0 ? T(1) : d) * v);  // d y may be a number where y^2 is none
      };
    });
    return sum;
  }
};

// alpha, from p . A p.
template <class T>
struct ssor_alpha {
  sor_course* course;
  PYSOLVE_BODY void operator()(double sum) const {
    run_state& s = course->state;
    const double pAp = s.rho > 0 ? sum : 0;
    course->alpha = s.rho / pAp;
    if (!is_number(s.rho) || !is_number(pAp))
      s.end = run_end::not_finite;
    else if (!(pAp > 0))
      s.end = run_end::not_positive;
    else if (!is_number(double(T(course->alpha))))
      s.end = run_end::not_finite;
  }
};

struct ssor_keep_rr {
  sor_course* course;
  PYSOLVE_BODY void operator()(double rr) const { course->rr = rr; }
};

// rho = r . M^-1 r = (2 - omega)/omega y . D y of a new start (no norms), or with beta after a step, whose end this is.
struct ssor_next {
  sor_course* course;
  double omega;
  double* norms;
  PYSOLVE_BODY void operator()(double yDy) const {
    run_state& s = course->state;
    const double rho = (2 - omega) / omega * yDy, norm = std::sqrt(course->rr);
    s.beta = norms ? rho / s.rho : 0;
    s.rho = rho;
    if (norms == nullptr) return;
    norms[s.n_steps++] = norm;
    if (!is_number(norm) || !is_number(rho))
      s.end = run_end::not_finite;
    else if (norm <= s.tolerance)
      s.end = run_end::tolerance;
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
