// Conjugate gradients on the equations of one row, as matrix_completion_steps.hpp has them for the CPU, with the row's
// vectors spread over the lanes of a warp (matrix_completion_body.hpp).
#pragma once
#include "matrix_completion_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

struct row_steps {
  index_t k, ld;
  const double* reg;  // k values, or null: 0
  int n_cg;
  double relaxation;
  bool measured, foreseen;
  PYSOLVE_BODY double reg_of(index_t c) const { return reg && c < k ? reg[c] : 0.0; }
};

constexpr float calm_row = 0.3f;  // `calm` of matrix_completion_steps.hpp

// Where a row's steps stand.
struct row_progress {
  double scale = 0;
  float rr = 0, first = 0, before = 0, alpha = 0;
  int running = 0;
  PYSOLVE_BODY bool is_foreseen(const row_steps& how, bool last) const {
    return last && how.foreseen && alpha > 0 && rr <= calm_row * before;
  }
};

// What an entry adds in the first pass: q = w (y - u.v), and the sum of w (y - u.v)^2.
template <class T, class S = T>
struct residual_weigh {
  struct kept {
    S y, w;
  };
  const T *values, *weights;
  double squares = 0;
  PYSOLVE_BODY kept fetch(index_t e) const { return {S(values[e]), weights ? S(weights[e]) : S(1)}; }
  PYSOLVE_BODY S operator()(const kept& at, index_t, S dot) {
    const S r = at.y - dot, q = at.w * r;
    squares += double(r) * double(q);
    return q;
  }
};

// And in a product: q = w p.v, and the sum of w (p.v)^2.
template <class T, class S = float>
struct product_weigh {
  using kept = S;
  const T* weights;
  S curvature = 0;
  PYSOLVE_BODY S fetch(index_t e) const { return weights ? S(weights[e]) : S(1); }
  PYSOLVE_BODY S operator()(S w, index_t, S dot) {
    const S q = w * dot;
    curvature += dot * q;
    return q;
  }
};

template <class T, class Team>
struct steps_of_row {
  template <class S>
  using vector = typename Team::template vector<S>;
  const row_steps& how;
  const Team& team;
  vector<float> r, p, s, du;
  row_progress at;

  PYSOLVE_BODY steps_of_row(const row_steps& h, const Team& t)
      : how(h),
        team(t),
        r(t.template make<float>(0)),
        p(t.template make<float>(1)),
        s(t.template make<float>(2)),
        du(t.template make<float>(3)) {}

  template <class Place>
  PYSOLVE_AT_PLACE float dot(const Place& place, const vector<float>& a, const vector<float>& b) const {
    float sum = 0;
    PYSOLVE_UNROLL_SLOTS
    for (int i = 0; i < team.slots(); ++i) sum += a[i] * b[i];
    return team.over_components(place, sum);
  }

  // From the gradient without reg, which is overwritten, at u.
  template <class Place>
  PYSOLVE_AT_PLACE void start(const Place& place, vector<T>& gradient, const vector<T>& u) {
    double squares = 0;
    PYSOLVE_UNROLL_SLOTS
    for (int i = 0; i < team.slots(); ++i) {
      gradient[i] -= T(how.reg_of(team.component(i))) * u[i];
      squares += double(gradient[i]) * double(gradient[i]);
    }
    at.scale = sqrt(team.over_components(place, squares));
    const T inverse = T(1 / at.scale);
    PYSOLVE_UNROLL_SLOTS
    for (int i = 0; i < team.slots(); ++i) {
      r[i] = p[i] = float(gradient[i] * inverse);
      du[i] = s[i] = 0;
    }
    const bool fine = at.scale > 0 && is_finite(at.scale) && is_finite(double(inverse)) && how.n_cg > 0;
    at.rr = at.first = fine ? dot(place, r, r) : 0;
    at.running = at.rr > 0;
  }

  // One step from p^T A p without reg and, unless it is the last, s = A p.
  template <class Place>
  PYSOLVE_AT_PLACE void advance(const Place& place, float curvature, bool last) {
    float more = 0;
    PYSOLVE_UNROLL_SLOTS
    for (int i = 0; i < team.slots(); ++i) {
      const float reg = float(how.reg_of(team.component(i)));
      more += reg * p[i] * p[i];
      s[i] += reg * p[i];
    }
    curvature += team.over_components(place, more);
    const bool known = at.is_foreseen(how, last);
    const float alpha = known ? at.alpha : at.rr / curvature;
    at.running = known || (curvature > 0 && is_finite(double(alpha)));
    if (!at.running) return;
    PYSOLVE_UNROLL_SLOTS
    for (int i = 0; i < team.slots(); ++i) {
      du[i] += alpha * p[i];
      r[i] -= alpha * s[i];
    }
    at.running = !last;
    if (last) return;
    const float after = dot(place, r, r), beta = after / at.rr;
    PYSOLVE_UNROLL_SLOTS
    for (int i = 0; i < team.slots(); ++i) p[i] = r[i] + beta * p[i];
    at.before = at.rr, at.rr = after, at.alpha = alpha;
    at.running = after > 0;
  }

  // Adds what was found to u. Returns the factor by which the residual shrank a step, over all steps but the last.
  template <class Place>
  PYSOLVE_AT_PLACE float finish(const Place& place, T* u) {
    const T factor = T(how.relaxation * at.scale);
    const float size = dot(place, du, du);
    if (!(at.first > 0) || !is_finite(double(size)) || !is_finite(double(factor))) return 1;
    if (team.writes()) {
      PYSOLVE_UNROLL_SLOTS
      for (int i = 0; i < team.slots(); ++i)
        if (team.holds(i)) u[team.component(i)] += factor * T(du[i]);
    }
    if (how.n_cg < 2 || !how.measured) return 1;
    return float(pow(double(at.rr) / double(at.first), 0.5 / double(how.n_cg - 1)));
  }
};

// ---- all of a row by one warp ----------------------------------------------------------------------------------------

// Rows of at most `limit` entries.
//   bytes: of V N ld sizeof T for the first pass, then 4 N ld a step; what of a row is in L1 still is not read again.
// flops: N k (4 in T + 4 n_cg - 2 in float), so the gathers are the limit
template <class T, class Team>
struct half_step_body {
  using result = completion_share;
  static constexpr int blocks_at_once = 1;
  observed<T> A;
  const T* V;
  const float* narrow_V;
  T* U;
  row_steps how;
  float* shrunk;
  index_t limit;
  double* memory;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_of_warps<Team>(A.n_rows); }
  template <class Place>
  PYSOLVE_AT_PLACE completion_share operator()(const Place& at) const {
    const Team team(at, how.ld, memory);
    completion_share share;
    over_warps(at, A.n_rows, [&](index_t i) {
      if (has_entries(A, i) && A.end[i] - A.begin[i] > limit) return;
      if (!row(at, team, i, share)) share += {0, i};
    });
    return share;
  }

  template <class Place>
  PYSOLVE_AT_PLACE bool row(const Place& at, const Team& team, index_t i, completion_share& share) const {
    if (!has_entries(A, i)) return false;
    const index_t begin = A.begin[i], end = A.end[i];
    steps_of_row<T, Team> steps(how, team);
    residual_weigh<T> weigh{A.values, A.weights};
    {
      auto u = team.template make<T>(4), gradient = team.template make<T>(5);
      load_vector(team, U + i * how.ld, u);
      const bool good =
          team.template pass<false>(at, V, u, V, u, A.indices, begin, end, A.n_cols, weigh, true, gradient);
      if (!good) return false;
      steps.start(at, gradient, u);
    }
    if (team.counts()) share.squares += weigh.squares;
    for (int step = 1; steps.at.running; ++step) {
      const bool last = step == how.n_cg;
      product_weigh<T> q{A.weights};
      if (!steps.at.is_foreseen(how, last))
        team.template pass<false>(at, narrow_V, steps.p, narrow_V, steps.p, A.indices, begin, end, A.n_cols,
                                  q, !last, steps.s);
      steps.advance(at, team.over_entries(at, q.curvature), last);
    }
    const float factor = steps.finish(at, U + i * how.ld);
    if (shrunk && at.thread() % warp_threads == 0) shrunk[i] = factor;
    return true;
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
