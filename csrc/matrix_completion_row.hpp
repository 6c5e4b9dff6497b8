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
  scratch<T> transposed, products, u, sums, zeros;
  scratch<float> panel, weights, q, vectors, lanes_of_sums;
  row_work(index_t d, index_t k)
      : transposed(panel::block * completion_stride(k)),
        products(panel::block),
        u(completion_stride(k)),
        sums(9 * completion_stride(k)),
        zeros(completion_stride(k)),
        panel(panel::padded(d) * completion_stride(k)),
        weights(panel::padded(d)),
        q(panel::block),
        vectors(4 * completion_stride(k)),
        lanes_of_sums(8 * completion_stride(k)) {
    std::fill_n(zeros.get(), completion_stride(k), T());
  }
};

namespace panel {

template <class T>
PYSOLVE_INLINE void narrow_into(const T* from, index_t n, float* to) {  // n a multiple of 8
  for (index_t i = 0; i < n; i += 8) store(to + i, as<float>(load(from + i)));
}

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
  index_t d, k, ld;
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
PYSOLVE_INLINE double first_pass_across(const entries<T>& row, const T* u, index_t k, bool keep,
                                        row_work<T>& work) {
  const index_t ld = completion_stride(k);
  T *const s = work.sums.get() + ld, *const q = work.products.get();
  std::fill_n(s, 8 * ld, T());
  double squares = 0;
  for (index_t e = 0; e < row.d; e += block) {
    const index_t count = std::min(block, row.d - e), width = padded(count);
    float* const kept = work.panel.get() + e * k;
    T* const to = std::is_same_v<T, float> && keep ? reinterpret_cast<T*>(kept) : work.transposed.get();
    gather_transposed(row.V, ld, row.indices + e, count, row.left - e, k, work.zeros.get(), to);
    dots_across(to, width, k, u, q);
    squares += residuals(row.values + e, row.weights ? row.weights + e : nullptr, count, q);
    axpys_across(to, width, k, q, s);
    if (!std::is_same_v<T, float> && keep) narrow_into(to, width * k, kept);
  }
  sum_lanes(s, k, work.sums.get());
  return squares;
}

template <class T>
PYSOLVE_INLINE double first_pass_along(const entries<T>& row, const T* u, index_t k, bool keep,
                                       row_work<T>& work) {
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
    dots_along(rows, width, ld, u, q);
    squares += residuals(row.values + e, row.weights ? row.weights + e : nullptr, count, q);
    float* const kept = work.panel.get() + e * ld;
    if (keep)
      axpys_along<true>(rows, width, ld, q, s, kept);
    else
      axpys_along<false>(rows, width, ld, q, s, kept);
  }
  return squares;
}

template <class T>
PYSOLVE_INLINE double first_pass(const entries<T>& row, const T* u, index_t k, bool keep, row_work<T>& work) {
  if (keep && row.weights) {
    float* const w = work.weights.get();
    for (index_t e = 0; e < row.d; ++e) w[e] = float(row.weights[e]);
    for (index_t e = row.d; e < padded(row.d); ++e) w[e] = 0;
  }
  return k <= across_max ? first_pass_across(row, u, k, keep, work) : first_pass_along(row, u, k, keep, work);
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
PYSOLVE_INLINE double apply(const view& P, const float* p, float* s, float* q, float* lanes_of_s) {
  double curvature = 0;
  const bool across = P.k <= across_max;
  const index_t step = across ? block : group;
  if (s) std::fill_n(across ? lanes_of_s : s, across ? 8 * P.ld : P.ld, 0.0f);
  for (index_t e = 0; e < P.d; e += step) {
    const index_t width = padded(std::min(step, P.d - e));
    const float* const data = P.data + e * (across ? P.k : P.ld);
    const float* rows[group];
    if (across) {
      dots_across(data, width, P.k, p, q);
    } else {
      for (index_t i = 0; i < width; ++i) rows[i] = data + i * P.ld;
      dots_along(rows, width, P.ld, p, q);
    }
    curvature += double(weighted(P.weights ? P.weights + e : nullptr, width, q));
    if (!s) continue;
    if (across)
      axpys_across(data, width, P.k, q, lanes_of_s);
    else
      axpys_along<false>(rows, width, P.ld, q, s, nullptr);
  }
  if (s && across) sum_lanes(lanes_of_s, P.k, s);
  return curvature;
}

}  // namespace panel
}  // namespace pysolve::cpu
