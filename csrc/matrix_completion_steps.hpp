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
};

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

// product(p, s): returns p^T A p without reg, and s = A p unless s is null. `gradient` is overwritten. Returns the factor
// by which the residual shrank a step.
template <class T, class Product>
PYSOLVE_INLINE float correct_row(const row_steps<T>& how, T* gradient, T* u, float* vectors,
                                 Product product) {
  const index_t ld = how.ld;
  float *const r = vectors, *const p = r + ld, *const s = p + ld, *const du = s + ld;
  const double scale = gradient_length(how, u, gradient);
  if (!(scale > 0) || !std::isfinite(scale) || how.n_cg < 1) return 1;
  const T inverse = T(1 / scale);
  if (!std::isfinite(inverse)) return 1;
  for (index_t c = 0; c < ld; c += 8) {
    const lanes<float> unit = as<float>(load(gradient + c) * inverse);
    store(r + c, unit), store(p + c, unit), store(du + c, lanes<float>{});
  }
  float rr = dot_lanes(r, r, ld);
  const float first = rr;
  for (int step = 1; rr > 0; ++step) {
    const bool last = step == how.n_cg;
    float curvature = float(product(p, last ? nullptr : s));
    if (how.reg)
      for (index_t c = 0; c < how.k; ++c) curvature += float(how.reg[c]) * p[c] * p[c];
    const float alpha = rr / curvature;
    if (!(curvature > 0) || !std::isfinite(alpha)) break;
    for (index_t c = 0; c < ld; c += 8) store(du + c, load(du + c) + alpha * load(p + c));
    if (last) break;
    if (how.reg) add_regularised(how.reg, p, s, ld);
    for (index_t c = 0; c < ld; c += 8) store(r + c, load(r + c) - alpha * load(s + c));
    const float after = dot_lanes(r, r, ld), beta = after / rr;
    for (index_t c = 0; c < ld; c += 8) store(p + c, load(r + c) + beta * load(p + c));
    rr = after;
  }
  const T factor = T(how.relaxation * scale);
  if (!std::isfinite(dot_lanes(du, du, ld)) || !std::isfinite(factor)) return 1;
  for (index_t c = 0; c < ld; c += 8) store(u + c, load(u + c) + factor * as<T>(load(du + c)));
  return how.n_cg < 2 ? 1.0f : std::pow(rr / first, 0.5f / float(how.n_cg - 1));
}

}  // namespace pysolve::cpu
