// One row's equations: the residual and gradient of its u in T, and products with its panel in float.
#pragma once
#include <cmath>
#include <memory>
#include <new>

#include "matrix_completion_panel.hpp"

namespace pysolve::cpu {

// Memory that begins at a cache line, not initialised.
template <class T>
class scratch {
  struct release {
    void operator()(T* p) const { ::operator delete(p, std::align_val_t(64)); }
  };
  std::unique_ptr<T, release> data_;

 public:
  explicit scratch(index_t n)
      : data_(static_cast<T*>(::operator new(std::size_t(n + 16) * sizeof(T), std::align_val_t(64)))) {}
  T* get() { return data_.get(); }
};

// What one thread needs for rows of up to d entries.
template <class T>
struct row_work {
  scratch<T> products, sums, zeros;
  scratch<float> panel, weights, q, vectors;
  row_work(index_t d, index_t k)
      : products(panel::group),
        sums(completion_stride(k)),
        zeros(completion_stride(k)),
        panel((d + panel::group) * completion_stride(k)),
        weights(d + panel::group),
        q(panel::group),
        vectors(4 * completion_stride(k)) {
    std::fill_n(zeros.get(), completion_stride(k), T());
  }
};

namespace panel {

// q[e] <- w_e (y_e - q[e]) for e < count, zeros up to padded(count); returns sum_e w_e (y_e - q[e])^2.
template <class T>
PYSOLVE_INLINE double residuals(const T* y, const T* w, index_t count, T* q) {
  lanes<double> squares = {};
  index_t e = 0;
  for (; e + 8 <= count; e += 8) {
    const lanes<T> r = load(y + e) - load(q + e), weighted = w ? r * load(w + e) : r;
    squares += widen<T>(r) * widen<T>(weighted);
    store(q + e, weighted);
  }
  double rest = 0;
  for (; e < count; ++e) {
    const T r = y[e] - q[e], weighted = w ? r * w[e] : r;
    rest += double(r) * double(weighted);
    q[e] = weighted;
  }
  for (; e < padded(count); ++e) q[e] = T();
  return total(squares) + rest;
}

// The panel as products see it.
struct view {
  const float* data;
  const float* weights;  // null: all 1
  index_t d, ld;
};

// Some entries of a row with its u.
template <class T>
struct entries {
  const T* V;
  const std::int32_t* indices;
  const T *values, *weights;  // weights null: all 1
  index_t d, left;            // `left` indices may be read from `indices` on
};

// The first pass: gathers the panel (into work.panel where `keep`), work.sums = V_i^T W (y - V_i u), and returns the
// sum of squares.
template <class T>
PYSOLVE_INLINE double first_pass(const entries<T>& row, const T* u, index_t k, bool keep, row_work<T>& work) {
  const index_t ld = completion_stride(k);
  T *const s = work.sums.get(), *const q = work.products.get();
  const T* const zeros = work.zeros.get();
  std::fill_n(s, ld, T());
  double squares = 0;
  for (index_t e = 0; e < row.d; e += group) {
    const index_t count = std::min(group, row.d - e), width = padded(count);
    const T* rows[group];
    for (index_t i = 0; i < width; ++i) {
      rows[i] = i < count ? row.V + index_t(row.indices[e + i]) * ld : zeros;
      if (e + i + ahead < row.left) prefetch_row(row.V, ld, row.indices[e + i + ahead]);
    }
    dots(rows, width, ld, u, q);
    squares += residuals(row.values + e, row.weights ? row.weights + e : nullptr, count, q);
    float* const kept = work.panel.get() + e * ld;
    if (keep)
      axpys<true>(rows, width, ld, q, s, kept);
    else
      axpys<false>(rows, width, ld, q, s, kept);
  }
  return squares;
}

// Weights in float, with zeros up to a whole group.
template <class T>
PYSOLVE_INLINE void keep_weights(const entries<T>& row, row_work<T>& work) {
  if (!row.weights) return;
  float* const w = work.weights.get();
  for (index_t e = 0; e < row.d; ++e) w[e] = float(row.weights[e]);
  for (index_t e = row.d; e < row.d + group; ++e) w[e] = 0;
}

PYSOLVE_INLINE float weighted(const float* w, index_t width, float* q) {  // q <- w q, returns q^T w q
  lanes<float> s = {};
  for (index_t e = 0; e < width; e += 8) {
    const lanes<float> here = load(q + e), scaled = w ? here * load(w + e) : here;
    s += here * scaled;
    store(q + e, scaled);
  }
  return lane_total<float>(s);
}

// Returns p^T V_i^T W V_i p; s, unless null, is V_i^T W V_i p.
PYSOLVE_INLINE double apply(const view& P, const float* p, float* s, float* q) {
  double curvature = 0;
  if (s) std::fill_n(s, P.ld, 0.0f);
  for (index_t e = 0; e < P.d; e += group) {
    const index_t width = padded(std::min(group, P.d - e));
    const float* const data = P.data + e * P.ld;
    const float* rows[group];
    for (index_t i = 0; i < width; ++i) rows[i] = data + i * P.ld;
    dots(rows, width, P.ld, p, q);
    curvature += double(weighted(P.weights ? P.weights + e : nullptr, width, q));
    if (s) axpys<false>(rows, width, P.ld, q, s, nullptr);
  }
  return curvature;
}

}  // namespace panel
}  // namespace pysolve::cpu
