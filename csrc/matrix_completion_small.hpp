// Rows' equations at small rank K, known when compiled: blocks of as many entries as a vector register has lanes. A
// block is gathered and transposed in registers, component c of all its entries in x[c], and used there for the
// products with u and for their sums with the residuals; no sum runs across lanes but at the end of a row.
//   K x's and K sums are 2 K registers, of which AVX-512 has 32: K is at most 16.
#pragma once
#include "matrix_completion_row.hpp"

namespace pysolve::cpu::small {

constexpr index_t max_rank = 16;
constexpr index_t block = 16;  // entries of a block of the panel
constexpr index_t ahead = 32;  // entries between a row's prefetch and its use

template <class T>
struct wide_of {
  typedef T type __attribute__((vector_size(64)));
};
template <class T>
using wide = typename wide_of<T>::type;
template <class T>
constexpr int n_wide = 64 / sizeof(T);

template <class T>
PYSOLVE_INLINE wide<T> load_wide(const T* p) {
  wide<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
PYSOLVE_INLINE void store_wide(T* p, wide<T> v) {
  std::memcpy(p, &v, sizeof v);
}
PYSOLVE_INLINE void store_narrow(float* p, wide<float> v) { store_wide(p, v); }
PYSOLVE_INLINE void store_narrow(float* p, wide<double> v) {
  store(p, __builtin_convertvector(v, lanes<float>));
}

// The 4 x 4 transposes inside the quarters of four registers: part[j] holds components c .. c + 3 of the entries 4 g + j.
PYSOLVE_INLINE void transpose(const wide<float>* part, wide<float>* out) {
  const auto low = [](wide<float> a, wide<float> b) PYSOLVE_LAMBDA -> wide<float> {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
  };
  const auto high = [](wide<float> a, wide<float> b) PYSOLVE_LAMBDA -> wide<float> {
    return __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
  };
  const auto even = [](wide<float> a, wide<float> b) PYSOLVE_LAMBDA -> wide<float> {
    return __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
  };
  const auto odd = [](wide<float> a, wide<float> b) PYSOLVE_LAMBDA -> wide<float> {
    return __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  };
  const wide<float> low01 = low(part[0], part[1]), low23 = low(part[2], part[3]);
  const wide<float> high01 = high(part[0], part[1]), high23 = high(part[2], part[3]);
  out[0] = even(low01, low23), out[1] = odd(low01, low23);
  out[2] = even(high01, high23), out[3] = odd(high01, high23);
}

// The same of eight entries in double, part[j] holding those of the entries j and 4 + j.
PYSOLVE_INLINE void transpose(const wide<double>* part, wide<double>* out) {
  wide<double> even[2], odd[2];
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    even[i] = __builtin_shufflevector(part[2 * i], part[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    odd[i] = __builtin_shufflevector(part[2 * i], part[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  out[0] = __builtin_shufflevector(even[0], even[1], 0, 1, 8, 9, 4, 5, 12, 13);
  out[1] = __builtin_shufflevector(odd[0], odd[1], 0, 1, 8, 9, 4, 5, 12, 13);
  out[2] = __builtin_shufflevector(even[0], even[1], 2, 3, 10, 11, 6, 7, 14, 15);
  out[3] = __builtin_shufflevector(odd[0], odd[1], 2, 3, 10, 11, 6, 7, 14, 15);
}

// Four values of as many rows as fill a register, side by side; row(i) is where they stand.
template <class T, class Row>
PYSOLVE_INLINE wide<T> side_by_side(Row row) {
  typedef T four __attribute__((vector_size(4 * sizeof(T))));
  four v[n_wide<T> / 4];
#pragma GCC unroll 4
  for (int i = 0; i < n_wide<T> / 4; ++i) std::memcpy(v + i, row(i), sizeof(four));
  if constexpr (std::is_same_v<T, double>) {
    return __builtin_shufflevector(v[0], v[1], 0, 1, 2, 3, 4, 5, 6, 7);
  } else {
    const lanes<T> low = __builtin_shufflevector(v[0], v[1], 0, 1, 2, 3, 4, 5, 6, 7);
    const lanes<T> high = __builtin_shufflevector(v[2], v[3], 0, 1, 2, 3, 4, 5, 6, 7);
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  }
}

// x[c][e] = V[indices[e]][c] for the entries of a block.
template <int K, class T>
PYSOLVE_INLINE void gather_whole(const T* V, index_t ld, const std::int32_t* indices, wide<T>* x) {
  constexpr int fours = (K + 3) / 4;
  wide<T> part[fours][4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const T* rows[n_wide<T> / 4];
#pragma GCC unroll 4
    for (int g = 0; g < n_wide<T> / 4; ++g) rows[g] = V + index_t(indices[4 * g + j]) * ld;
#pragma GCC unroll 4
    for (int c = 0; c < fours; ++c)
      part[c][j] = side_by_side<T>([&](int g) PYSOLVE_LAMBDA { return rows[g] + 4 * c; });
  }
#pragma GCC unroll 4
  for (int c = 0; c < fours; ++c) {
    wide<T> four[4];
    transpose(part[c], four);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i)
      if (4 * c + i < K) x[4 * c + i] = four[i];
  }
}

// The lanes of v from `first` on, zeros before them.
template <class T>
PYSOLVE_INLINE wide<T> lanes_from(wide<T> v, index_t first) {
  using whole = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  typedef whole mask __attribute__((vector_size(64)));
  mask lane;
#pragma GCC unroll 16
  for (int i = 0; i < n_wide<T>; ++i) lane[i] = i;
  return (wide<T>)((mask)v & (lane >= mask{} + whole(first)));
}

// Block b of a row of d entries: n from where e, the last one that much before the end, its first `skip` lanes empty. A
// row of fewer entries than a block has `count` of them, the lanes from there on empty.
template <class T>
struct place {
  index_t e, skip, count;
  PYSOLVE_INLINE place(index_t start, index_t d)
      : e(std::max<index_t>(0, std::min<index_t>(start, d - n_wide<T>))),
        skip(start - e),
        count(std::min<index_t>(n_wide<T>, d)) {}
};

// x[c] = component c of the rows of V that a block names. `left` indices may be read from `indices` on.
template <int K, class T>
PYSOLVE_INLINE void gather(const T* V, index_t ld, const std::int32_t* indices, index_t left,
                           const place<T>& at, wide<T>* x) {
  constexpr int n = n_wide<T>;
  indices += at.e;
  if (at.e + ahead + n <= left)
    for (int e = 0; e < n; ++e) panel::prefetch_row(V, ld, indices[ahead + e]);
  if (at.count == n) [[likely]] {
    gather_whole<K>(V, ld, indices, x);
    if (at.skip)
      for (int c = 0; c < K; ++c) x[c] = lanes_from<T>(x[c], at.skip);
    return;
  }
  alignas(64) T few[K][n] = {};
  for (index_t e = 0; e < at.count; ++e)
    for (int c = 0; c < K; ++c) few[c][e] = V[index_t(indices[e]) * ld + c];
  for (int c = 0; c < K; ++c) x[c] = load_wide(few[c]);
}

// The values or weights of a block, zeros in its empty lanes.
template <class T>
PYSOLVE_INLINE wide<T> values_of(const T* values, const place<T>& at) {
  if (at.count == n_wide<T>) [[likely]] {
    const wide<T> v = load_wide(values + at.e);
    return at.skip ? lanes_from<T>(v, at.skip) : v;
  }
  wide<T> v = {};
  std::memcpy(&v, values, std::size_t(at.count) * sizeof(T));
  return v;
}

// sum_c u[c] x[c]
template <int K, class T>
PYSOLVE_INLINE wide<T> dot(const wide<T>* x, const T* u) {
  wide<T> a = u[0] * x[0], b = u[1] * x[1];
#pragma GCC unroll 16
  for (int c = 2; c + 1 < K; c += 2) a += u[c] * x[c], b += u[c + 1] * x[c + 1];
  return a + b;
}

template <class T>
PYSOLVE_INLINE lanes<double> folded(wide<T> v) {
  if constexpr (std::is_same_v<T, double>) {
    return v;
  } else {
    lanes<float> halves[2];
    std::memcpy(halves, &v, sizeof v);
    return widen<float>(halves[0]) + widen<float>(halves[1]);
  }
}

// out[c] = the sum of the lanes of sums[c] for c < K, zeros up to 16.
template <int K, class T>
PYSOLVE_INLINE void lane_sums(const wide<T>* sums, T* out) {
#pragma GCC unroll 2
  for (int c = 0; c < 16; c += 8) {
    lanes<T> a[8] = {};
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      if (c + i >= K) continue;
      lanes<T> parts[64 / sizeof(lanes<T>)];
      std::memcpy(parts, sums + c + i, 64);
      a[i] = parts[0];
      if constexpr (sizeof(T) == 4) a[i] += parts[1];
    }
    if (c < K) store(out + c, panel::eight_sums<T>(a));
  }
}

// The first pass over a row: its panel and the weights as that lies (kept where `keep`, in float), out = V_i^T W (y - V_i
// u), and the sum of squares.
template <int K, bool keep, class T>
PYSOLVE_INLINE double first_pass(const panel::entries<T>& row, index_t ld, const T* u, float* kept,
                                 float* kept_weights, T* out) {
  constexpr int n = n_wide<T>;
  wide<T> sums[K] = {};
  lanes<double> squares = {};
  for (index_t e = 0; e < row.d; e += n) {
    const place<T> at(e, row.d);
    wide<T> x[K];
    gather<K>(row.V, ld, row.indices, row.left, at, x);
    float* const to = kept + e / block * block * K + e % block;
#pragma GCC unroll 16
    for (int c = 0; keep && c < K; ++c) store_narrow(to + c * block, x[c]);
    const wide<T> r = values_of(row.values, at) - dot<K>(x, u);
    wide<T> q = r;
    if (row.weights) {
      const wide<T> w = values_of(row.weights, at);
      q *= w;
      if (keep) store_narrow(kept_weights + e, w);
    }
    squares += folded<T>(r * q);
#pragma GCC unroll 16
    for (int c = 0; c < K; ++c) sums[c] += q * x[c];
  }
  if (keep && sizeof(T) == 8 && (row.d + n - 1) / n % 2 == 1) {  // the other half of the panel's last block
    const index_t last = row.d / block * block;
    for (int c = 0; c < K; ++c) store(kept + last * K + c * block + 8, lanes<float>{});
    if (row.weights) store(kept_weights + last + 8, lanes<float>{});
  }
  lane_sums<K>(sums, out);
  return total(squares);
}

// p^T V_i^T W V_i p; s, unless null, is V_i^T W V_i p (16 values).
template <int K, bool whole>
PYSOLVE_INLINE double product(const float* panel, const float* weights, index_t d, const float* p, float* s) {
  wide<float> sums[K] = {}, curvature = {};
  for (index_t e = 0; e < d; e += block) {
    wide<float> x[K];
#pragma GCC unroll 16
    for (int c = 0; c < K; ++c) x[c] = load_wide(panel + e * K + c * block);
    const wide<float> q = dot<K>(x, p), weighted = weights ? q * load_wide(weights + e) : q;
    curvature += q * weighted;
#pragma GCC unroll 16
    for (int c = 0; whole && c < K; ++c) sums[c] += weighted * x[c];
  }
  if (whole) lane_sums<K>(sums, s);
  return total(folded<float>(curvature));
}

// f.template operator()<K>() with the K that serves rank k: the next even one, or 0 above max_rank.
template <class F>
auto with_rank(index_t k, F&& f) {
  switch (k <= max_rank ? (k + 1) / 2 : 0) {
    case 1:
      return f.template operator()<2>();
    case 2:
      return f.template operator()<4>();
    case 3:
      return f.template operator()<6>();
    case 4:
      return f.template operator()<8>();
    case 5:
      return f.template operator()<10>();
    case 6:
      return f.template operator()<12>();
    case 7:
      return f.template operator()<14>();
    case 8:
      return f.template operator()<16>();
    default:
      return f.template operator()<0>();
  }
}

}  // namespace pysolve::cpu::small
