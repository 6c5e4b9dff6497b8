// Rows' equations where a row of V is at most eight vector registers: it is read once, used for the product with p and,
// from the registers, for the sum with that product.
//
// No panel is gathered. Rows of U are taken `rows_at_once` together and the columns in tiles, the rows of V of one tile
// staying in L2 while all these rows of U use them: from L3 comes each line of V once for about 64 N / (m n) entries.
#pragma once
#include "matrix_completion_small.hpp"
#include "matrix_completion_steps.hpp"

namespace pysolve::cpu::tiled {

using small::wide;
template <class T>
constexpr int n_wide = small::n_wide<T>;

constexpr index_t rows_at_once = 64;
constexpr index_t tile_bytes = 384 << 10;
constexpr index_t least_entries = 24;  // of a row in a tile: with fewer a panel is gathered instead
constexpr int most_registers = 8;
constexpr index_t ahead = 12;  // entries between a row's prefetch and its use

// n registers and, where `half`, the half of one: a row of V.
template <class T, int n, bool half>
struct vector {
  wide<T> whole[n > 0 ? n : 1];
  lanes<T> rest;
  PYSOLVE_INLINE void load_from(const T* p) {
#pragma GCC unroll 8
    for (int i = 0; i < n; ++i) whole[i] = small::load_wide(p + i * n_wide<T>);
    if (half) rest = load(p + n * n_wide<T>);
  }
  PYSOLVE_INLINE void store_to(T* p) const {
#pragma GCC unroll 8
    for (int i = 0; i < n; ++i) small::store_wide(p + i * n_wide<T>, whole[i]);
    if (half) store(p + n * n_wide<T>, rest);
  }
  PYSOLVE_INLINE T dot(const vector& other) const {
    lanes<T> s = {};
    if (half) s = rest * other.rest;
    if constexpr (n > 0) {
      wide<T> a = whole[0] * other.whole[0], b = {};
      if (n > 1) b = whole[n > 1] * other.whole[n > 1];
#pragma GCC unroll 8
      for (int i = 2; i < n; ++i) (i % 2 ? b : a) += whole[i] * other.whole[i];
      if (n > 1) a += b;
      lanes<T> parts[64 / sizeof(lanes<T>)];
      std::memcpy(parts, &a, 64);
      s += parts[0];
      if constexpr (sizeof(T) == 4) s += parts[1];
    }
    const lanes<T> fours = s + __builtin_shufflevector(s, s, 4, 5, 6, 7, 0, 1, 2, 3);
    const lanes<T> twos = fours + __builtin_shufflevector(fours, fours, 2, 3, 0, 1, 6, 7, 4, 5);
    return twos[0] + twos[1];
  }
  PYSOLVE_INLINE void add(T q, const vector& other) {
#pragma GCC unroll 8
    for (int i = 0; i < n; ++i) whole[i] += q * other.whole[i];
    if (half) rest += q * other.rest;
  }
};

template <class T>
struct tile_row {
  const std::int32_t* indices;
  const T *values, *weights;  // weights null: all 1
  index_t d, left;            // `left` indices may be read from `indices` on
};

// The first entry from e on that is in a column from `end_column` on. Where columns do not rise, entries are only taken
// with another tile than their own.
template <class T>
PYSOLVE_INLINE index_t end_of_tile(const tile_row<T>& row, index_t e, index_t end_column, bool last) {
  if (last) return row.d;
  index_t step = 1, low = e, high = row.d;  // row.indices[low - 1] is inside
  while (low + step <= row.d && index_t(row.indices[low + step - 1]) < end_column) low += step, step *= 2;
  high = std::min(row.d, low + step - 1);
  while (low < high) {
    const index_t middle = (low + high) / 2;
    if (index_t(row.indices[middle]) < end_column)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// What row rank is known when compiled: W, its stride over 8, or 0 for any.
template <int W, class T>
constexpr bool in_registers = W > 0 && W* int(sizeof(T)) <= 8 * most_registers;
template <int W, class T>
using vector_of = vector<T, W / (n_wide<T> / 8), W % (n_wide<T> / 8) != 0>;

// Pointers to the rows of V that entries e .. e + 15 (before `end`) name, zeros up to a multiple of 8; how many.
template <class T, class S>
PYSOLVE_INLINE index_t some_rows(const tile_row<T>& row, const S* V, index_t ld, index_t e, index_t end,
                                 const S* zeros, const S** rows) {
  const index_t count = std::min(panel::group, end - e), width = panel::padded(count);
  for (index_t i = 0; i < width; ++i) {
    rows[i] = i < count ? V + index_t(row.indices[e + i]) * ld : zeros;
    if (e + i + panel::ahead < row.left) panel::prefetch_row(V, ld, row.indices[e + i + panel::ahead]);
  }
  return width;
}

// sums += sum over entries [e, end) of w (y - u.v) v; returns that of w (y - u.v)^2.
template <int W, class T>
PYSOLVE_INLINE double first_pass(const tile_row<T>& row, const T* V, index_t ld, const T* u, index_t e,
                                 index_t end, const T* zeros, T* sums) {
  double squares = 0;
  if constexpr (in_registers<W, T>) {
    ld = 8 * W;
    vector_of<W, T> at, s;
    at.load_from(u), s.load_from(sums);
    for (; e < end; ++e) {
      if (e + ahead < row.left) panel::prefetch_row(V, ld, row.indices[e + ahead]);
      vector_of<W, T> v;
      v.load_from(V + index_t(row.indices[e]) * ld);
      const T r = row.values[e] - v.dot(at), q = row.weights ? row.weights[e] * r : r;
      squares += double(r) * double(q);
      s.add(q, v);
    }
    s.store_to(sums);
  } else {
    alignas(64) T q[panel::group];
    for (; e < end; e += panel::group) {
      const T* rows[panel::group];
      const index_t width = some_rows(row, V, ld, e, end, zeros, rows);
      panel::dots(rows, width, ld, u, q);
      squares += panel::residuals(row.values + e, row.weights ? row.weights + e : nullptr,
                                  std::min(panel::group, end - e), q);
      panel::axpys<false>(rows, width, ld, q, sums, nullptr);
    }
  }
  return squares;
}

// sums, where `whole`, += sum over entries [e, end) of w (p.v) v; returns that of w (p.v)^2.
template <int W, bool whole, class T>
PYSOLVE_INLINE double product(const tile_row<T>& row, const float* V, index_t ld, const float* p, index_t e,
                              index_t end, const float* zeros, float* sums) {
  float curvature = 0;
  if constexpr (in_registers<W, float>) {
    ld = 8 * W;
    vector_of<W, float> at, s;
    at.load_from(p);
    if (whole) s.load_from(sums);
    for (; e < end; ++e) {
      if (e + ahead < row.left) panel::prefetch_row(V, ld, row.indices[e + ahead]);
      vector_of<W, float> v;
      v.load_from(V + index_t(row.indices[e]) * ld);
      const float here = v.dot(at), q = row.weights ? float(row.weights[e]) * here : here;
      curvature += here * q;
      if (whole) s.add(q, v);
    }
    if (whole) s.store_to(sums);
  } else {
    alignas(64) float q[panel::group];
    for (; e < end; e += panel::group) {
      const float* rows[panel::group];
      const index_t width = some_rows(row, V, ld, e, end, zeros, rows);
      panel::dots(rows, width, ld, p, q);
      for (index_t i = 0; i < width; ++i) {
        const float here = q[i];
        q[i] = row.weights ? (e + i < end ? float(row.weights[e + i]) * here : 0.0f) : here;
        curvature += here * q[i];
      }
      if (whole) panel::axpys<false>(rows, width, ld, q, sums, nullptr);
    }
  }
  return double(curvature);
}

}  // namespace pysolve::cpu::tiled
