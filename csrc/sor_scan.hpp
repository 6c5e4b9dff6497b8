// One row of cells (along the last axis) as sor and ssor_cg walk it: eight cells at a time, where each cell waits for
// the one before it. With everything but that neighbour in t, a row of a sweep is the recurrence
//   x_k = f_k x_{k-1} + t_k,  f_k = omega w_k / d_k.
// Inside eight cells it takes three steps, since the pair (f, t) of two cells one after the other is
// (f_k f_{k-1}, f_k t_{k-1} + t_k), and one more for the cell before them. Backward it is the same from the other end.
#pragma once
#include "simd.hpp"

namespace pysolve::cpu {

// ---- eight values moved by a number of lanes; `fill` comes in ----
template <class V>
PYSOLVE_INLINE V up1(V fill, V v) {
  return __builtin_shufflevector(fill, v, 7, 8, 9, 10, 11, 12, 13, 14);
}
template <class V>
PYSOLVE_INLINE V up2(V fill, V v) {
  return __builtin_shufflevector(fill, v, 6, 7, 8, 9, 10, 11, 12, 13);
}
template <class V>
PYSOLVE_INLINE V up4(V fill, V v) {
  return __builtin_shufflevector(fill, v, 4, 5, 6, 7, 8, 9, 10, 11);
}
template <class V>
PYSOLVE_INLINE V down1(V v, V fill) {
  return __builtin_shufflevector(v, fill, 1, 2, 3, 4, 5, 6, 7, 8);
}
template <class V>
PYSOLVE_INLINE V down2(V v, V fill) {
  return __builtin_shufflevector(v, fill, 2, 3, 4, 5, 6, 7, 8, 9);
}
template <class V>
PYSOLVE_INLINE V down4(V v, V fill) {
  return __builtin_shufflevector(v, fill, 4, 5, 6, 7, 8, 9, 10, 11);
}

// Products of one, two, four and eight factors f that end at each cell, as far as there are so many among the eight.
template <class T>
struct scan_factors {
  lanes<T> one, two, four, eight;
};

template <class T>
PYSOLVE_INLINE scan_factors<T> forward_factors(lanes<T> f) {
  const lanes<T> ones = lanes<T>{} + T(1);
  const lanes<T> two = f * up1(ones, f), four = two * up2(ones, two);
  return {f, two, four, four * up4(ones, four)};
}
template <class T>
PYSOLVE_INLINE scan_factors<T> backward_factors(lanes<T> f) {
  const lanes<T> ones = lanes<T>{} + T(1);
  const lanes<T> two = f * down1(f, ones), four = two * down2(two, ones);
  return {f, two, four, four * down4(four, ones)};
}

// x_k = f_k x_{k-1} + t_k with `before` (in all lanes) before the first; x_k = f_k x_{k+1} + t_k with it after the
// last.
template <class T>
PYSOLVE_INLINE lanes<T> scan_forward(const scan_factors<T>& f, lanes<T> t, lanes<T> before) {
  const lanes<T> none = {};
  t += f.one * up1(none, t);
  t += f.two * up2(none, t);
  t += f.four * up4(none, t);
  return t + f.eight * before;
}
template <class T>
PYSOLVE_INLINE lanes<T> scan_backward(const scan_factors<T>& f, lanes<T> t, lanes<T> before) {
  const lanes<T> none = {};
  t += f.one * down1(t, none);
  t += f.two * down2(t, none);
  t += f.four * down4(t, none);
  return t + f.eight * before;
}
template <class V>
PYSOLVE_INLINE V first_of(V v) {
  return __builtin_shufflevector(v, v, 0, 0, 0, 0, 0, 0, 0, 0);
}
template <class V>
PYSOLVE_INLINE V last_of(V v) {
  return __builtin_shufflevector(v, v, 7, 7, 7, 7, 7, 7, 7, 7);
}

// ---- the last cells of a row, fewer than eight: zeros stand in for the others. Written out: a loop would become a
// call.
template <class T>
PYSOLVE_INLINE lanes<T> load_part(const T* p, index_t count) {
  T padded[n_lanes] = {};
  if (count > 0) padded[0] = p[0];
  if (count > 1) padded[1] = p[1];
  if (count > 2) padded[2] = p[2];
  if (count > 3) padded[3] = p[3];
  if (count > 4) padded[4] = p[4];
  if (count > 5) padded[5] = p[5];
  if (count > 6) padded[6] = p[6];
  if (count > 7) padded[7] = p[7];
  return load(padded);
}
template <class T>
PYSOLVE_INLINE void store_part(T* p, lanes<T> v, index_t count) {
  if (count > 0) p[0] = v[0];
  if (count > 1) p[1] = v[1];
  if (count > 2) p[2] = v[2];
  if (count > 3) p[3] = v[3];
  if (count > 4) p[4] = v[4];
  if (count > 5) p[5] = v[5];
  if (count > 6) p[6] = v[6];
}

template <class I>
struct index_lanes;
template <>
struct index_lanes<std::int32_t> {
  typedef std::int32_t type __attribute__((vector_size(n_lanes * sizeof(std::int32_t))));
};
template <>
struct index_lanes<std::int64_t> {
  typedef std::int64_t type __attribute__((vector_size(n_lanes * sizeof(std::int64_t))));
};
template <class I>
using lanes_of_index = typename index_lanes<I>::type;

// How to read and write the cells of a row from k on, and those one before or one after them: eight with others after
// them, or those at the end of the row. Beyond the ends of the row lie `left` and `right`.
template <class T>
struct inside {
  static constexpr bool is_last = false;
  PYSOLVE_INLINE lanes<T> get(const T* p) const { return load(p); }
  PYSOLVE_INLINE lanes<T> get_before(const T* p, index_t k, T left) const {
    return k > 0 ? load(p - 1) : up1(lanes<T>{} + left, load(p));
  }
  PYSOLVE_INLINE lanes<T> get_next(const T* p, T) const { return load(p + 1); }
  PYSOLVE_INLINE lanes<T> own(lanes<T> v) const { return v; }
  PYSOLVE_INLINE void put(T* p, lanes<T> v) const { store(p, v); }
};
template <class T>
struct last_eight : inside<T> {
  static constexpr bool is_last = true;
  static constexpr index_t count = n_lanes;
  PYSOLVE_INLINE lanes<T> get_next(const T* p, T right) const { return down1(load(p), lanes<T>{} + right); }
};
template <class T>
struct last_few {
  static constexpr bool is_last = true;
  index_t count;
  bool has_eight;  // of the row lie before them
  // Zeros where there are no cells: the eight values up to the last one, moved down.
  PYSOLVE_INLINE lanes<T> some(const T* p, index_t n) const {
#if !defined(__clang__)
    typedef std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t> number;
    if (has_eight) {
      const lanes_of_index<number> first = {0, 1, 2, 3, 4, 5, 6, 7};
      return __builtin_shuffle(load(p + n - n_lanes), lanes<T>{}, first + number(n_lanes - n));
    }
#endif
    return load_part(p, n);
  }
  PYSOLVE_INLINE lanes<T> get(const T* p) const { return some(p, count); }
  PYSOLVE_INLINE lanes<T> get_before(const T* p, index_t k, T left) const {
    if (k > 0) return some(p - 1, count);
    lanes<T> v = up1(lanes<T>{}, load_part(p, count - 1));
    v[0] = left;
    return v;
  }
  PYSOLVE_INLINE lanes<T> get_next(const T* p, T right) const {
    lanes<T> v = down1(get(p), lanes<T>{});
    v[count - 1] = right;
    return v;
  }
  // Zero in lanes of no cell, where a scan has gone on.
  PYSOLVE_INLINE lanes<T> own(lanes<T> v) const {
    T values[n_lanes];
    store(values, v);
    return load_part(values, count);
  }
  PYSOLVE_INLINE void put(T* p, lanes<T> v) const { store_part(p, v, count); }
};

}  // namespace pysolve::cpu
