// Conjugate gradients on the equations of one row, (V_i^T W V_i + diag(reg)) du = r: in float, the right-hand side
// scaled to 1 so that no range is exceeded, and added to u in T.
#pragma once
#include "matrix_completion_row.hpp"

namespace pysolve::cpu {

template <class T>
struct row_steps {
  index_t k, ld;
  const double* reg;  // ld values, or null: 0
  int n_cg;
  double relaxation;  // times the correction
  bool measured;      // whether the factor is wanted that the residual shrinks by
  bool foreseen;      // whether the last step may be as long as the one before
};

// Below this |r_2|^2 / |r_1|^2 a row's equations are taken to be those of random rows of V. Their eigenvalues are spread
// after Marchenko and Pastur: for k / d = c, and in units of their mean, Lanczos' matrix has the diagonal 1, 1 + c, 1 + c, ...
// and sqrt(c) beside it, so that |r_2|^2 / |r_1|^2 = c and every step is as long as the first.
constexpr float calm = 0.3f;

PYSOLVE_INLINE float dot_lanes(const float* a, const float* b, index_t n) {  // n a multiple of 8
  lanes<float> s = {};
  for (index_t c = 0; c < n; c += 8) s += load(a + c) * load(b + c);
  return panel::lane_total<float>(s);
}

// s += diag(reg) p
PYSOLVE_INLINE void add_regularised(const double* reg, const float* p, float* s, index_t n) {
  for (index_t c = 0; c < n; c += 8) store(s + c, load(s + c) + narrow<float>(load(reg + c)) * load(p + c));
}

// gradient -= diag(reg) u; returns its length.
template <class T>
PYSOLVE_INLINE double gradient_length(const row_steps<T>& how, const T* u, T* gradient) {
  lanes<double> squares = {};
  for (index_t c = 0; c < how.ld; c += 8) {
    lanes<T> g = load(gradient + c);
    if (how.reg) {
      g -= narrow<T>(load(how.reg + c)) * load(u + c);
      store(gradient + c, g);
    }
    const lanes<double> wide = widen<T>(g);
    squares += wide * wide;
  }
  return std::sqrt(total(squares));
}

// Where a row's steps stand. Its vectors r, p, s and du, of ld values each, stand one after the other.
struct row_progress {
  double scale = 0;         // length of the gradient; r, p and du are in units of it
  float rr = 0, first = 0;  // squared length of r, now and at first
  float before = 0;         // and before the last step
  float alpha = 0;          // the last step's length
  bool running = false;
};

// Whether the last step's length need not be computed.
template <class T>
PYSOLVE_INLINE bool is_foreseen(const row_steps<T>& how, const row_progress& at, bool last) {
  return last && how.foreseen && at.alpha > 0 && at.rr <= calm * at.before;
}

template <class T>
PYSOLVE_INLINE row_progress start_steps(const row_steps<T>& how, T* gradient, const T* u, float* r) {
  const index_t ld = how.ld;
  float *const p = r + ld, *const du = p + 2 * ld;
  row_progress at;
  at.scale = gradient_length(how, u, gradient);
  const T inverse = T(1 / at.scale);
  if (!(at.scale > 0) || !std::isfinite(at.scale) || !std::isfinite(inverse) || how.n_cg < 1) return at;
  for (index_t c = 0; c < ld; c += 8) {
    const lanes<float> unit = as<float>(load(gradient + c) * inverse);
    store(r + c, unit), store(p + c, unit), store(du + c, lanes<float>{});
  }
  at.rr = at.first = dot_lanes(r, r, ld);
  at.running = at.rr > 0;
  return at;
}

// One step from p^T A p without reg and, unless it is the last, s = A p. A step that is foreseen needs neither.
template <class T>
PYSOLVE_INLINE void advance(const row_steps<T>& how, float curvature, bool last, float* r, row_progress& at) {
  const index_t ld = how.ld;
  float *const p = r + ld, *const s = p + ld, *const du = s + ld;
  if (how.reg)
    for (index_t c = 0; c < how.k; ++c) curvature += float(how.reg[c]) * p[c] * p[c];
  const bool foreseen = is_foreseen(how, at, last);
  const float alpha = foreseen ? at.alpha : at.rr / curvature;
  at.running = foreseen || (curvature > 0 && std::isfinite(alpha));
  if (!at.running) return;
  for (index_t c = 0; c < ld; c += 8) store(du + c, load(du + c) + alpha * load(p + c));
  at.running = !last;
  if (last) return;
  if (how.reg) add_regularised(how.reg, p, s, ld);
  for (index_t c = 0; c < ld; c += 8) store(r + c, load(r + c) - alpha * load(s + c));
  const float after = dot_lanes(r, r, ld), beta = after / at.rr;
  for (index_t c = 0; c < ld; c += 8) store(p + c, load(r + c) + beta * load(p + c));
  at.before = at.rr, at.rr = after, at.alpha = alpha;
  at.running = after > 0;
}

// Adds what was found to u. Returns the factor by which the residual shrank a step, over all steps but the last.
template <class T>
PYSOLVE_INLINE float finish_steps(const row_steps<T>& how, const row_progress& at, const float* r, T* u) {
  const index_t ld = how.ld;
  const float* const du = r + 3 * ld;
  const T factor = T(how.relaxation * at.scale);
  if (!(at.first > 0) || !std::isfinite(dot_lanes(du, du, ld)) || !std::isfinite(factor)) return 1;
  for (index_t c = 0; c < ld; c += 8) store(u + c, load(u + c) + factor * as<T>(load(du + c)));
  return how.n_cg < 2 || !how.measured ? 1.0f : std::pow(at.rr / at.first, 0.5f / float(how.n_cg - 1));
}

// product(p, s): returns p^T A p without reg, and s = A p unless s is null. `gradient` is overwritten.
template <class T, class Product>
PYSOLVE_INLINE float correct_row(const row_steps<T>& how, T* gradient, T* u, float* r, Product product) {
  row_progress at = start_steps(how, gradient, u, r);
  for (int step = 1; at.running; ++step) {
    const bool last = step == how.n_cg;
    float* const p = r + how.ld;
    const double curvature = is_foreseen(how, at, last) ? 0 : product(p, last ? nullptr : p + how.ld);
    advance(how, float(curvature), last, r, at);
  }
  return finish_steps(how, at, r, u);
}

}  // namespace pysolve::cpu
