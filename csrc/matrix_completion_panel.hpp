// The panel of a row: the rows of V that its entries name, gathered once, and products with it.
//
// Rows as they are: a register holds eight components of one entry, and eight entries are summed across lanes together.
// Small ranks have a layout of their own (matrix_completion_small.hpp).
#pragma once
#include <algorithm>
#include <cstdint>

#include "matrix_completion.hpp"
#include "simd.hpp"

namespace pysolve::cpu::panel {

constexpr index_t group = 16;              // entries that are taken together
constexpr index_t ahead = 24;              // entries between a row's prefetch and its use
constexpr index_t near_bytes = 512 << 10;  // a factor of this size is in L2

constexpr index_t padded(index_t n) { return (n + 7) / 8 * 8; }

template <class T>
PYSOLVE_INLINE lanes<T> even_pairs(lanes<T> a, lanes<T> b) {
  return __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14);
}
template <class T>
PYSOLVE_INLINE lanes<T> odd_pairs(lanes<T> a, lanes<T> b) {
  return __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
}
template <class T>
PYSOLVE_INLINE lanes<T> even_fours(lanes<T> a, lanes<T> b) {
  return __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
}
template <class T>
PYSOLVE_INLINE lanes<T> odd_fours(lanes<T> a, lanes<T> b) {
  return __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
}
template <class T>
PYSOLVE_INLINE lanes<T> low_halves(lanes<T> a, lanes<T> b) {
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11);
}
template <class T>
PYSOLVE_INLINE lanes<T> high_halves(lanes<T> a, lanes<T> b) {
  return __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
}

// The sums of eight vectors, side by side.
template <class T>
PYSOLVE_INLINE lanes<T> eight_sums(const lanes<T>* a) {
  lanes<T> pairs[4], fours[2];
  for (int i = 0; i < 4; ++i)
    pairs[i] = even_pairs<T>(a[2 * i], a[2 * i + 1]) + odd_pairs<T>(a[2 * i], a[2 * i + 1]);
  for (int i = 0; i < 2; ++i)
    fours[i] = even_fours<T>(pairs[2 * i], pairs[2 * i + 1]) + odd_fours<T>(pairs[2 * i], pairs[2 * i + 1]);
  return low_halves<T>(fours[0], fours[1]) + high_halves<T>(fours[0], fours[1]);
}

template <class T>
PYSOLVE_INLINE T lane_total(lanes<T> s) {
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

// Only an address is formed of what stands there: it need not be a row of V.
template <class T>
PYSOLVE_INLINE void prefetch_row(const T* V, index_t ld, std::int32_t j) {
  const auto at = reinterpret_cast<std::uintptr_t>(V) + std::uintptr_t(j) * std::uintptr_t(ld) * sizeof(T);
  for (index_t byte = 0; byte < ld * index_t(sizeof(T)); byte += 64)
    __builtin_prefetch(reinterpret_cast<const void*>(at + std::uintptr_t(byte)));
}

// How many indices may be read ahead for prefetching: none where V stays in the caches anyway.
template <class T>
PYSOLVE_INLINE index_t readable(index_t left, index_t n_cols, index_t ld) {
  return n_cols * ld * index_t(sizeof(T)) > near_bytes ? left : 0;
}

// Whether all of these are rows of V.
PYSOLVE_INLINE bool within(const std::int32_t* indices, index_t count, index_t n_cols) {
  std::uint32_t largest = 0;  // a negative index is larger than any
  for (index_t e = 0; e < count; ++e) largest = std::max(largest, std::uint32_t(indices[e]));
  return count == 0 || index_t(largest) < n_cols;
}

// q[e] = rows[e].p for e < count, count a multiple of eight; a row has ld values.
template <class T>
PYSOLVE_INLINE void dots(const T* const* rows, index_t count, index_t ld, const T* p, T* q) {
  for (index_t e = 0; e < count; e += 8) {
    lanes<T> a[8] = {};
    const T *const r0 = rows[e], *const r1 = rows[e + 1], *const r2 = rows[e + 2], *const r3 = rows[e + 3];
    const T *const r4 = rows[e + 4], *const r5 = rows[e + 5], *const r6 = rows[e + 6],
                   *const r7 = rows[e + 7];
    for (index_t c = 0; c < ld; c += 8) {
      const lanes<T> here = load(p + c);
      a[0] += here * load(r0 + c), a[1] += here * load(r1 + c), a[2] += here * load(r2 + c);
      a[3] += here * load(r3 + c), a[4] += here * load(r4 + c), a[5] += here * load(r5 + c);
      a[6] += here * load(r6 + c), a[7] += here * load(r7 + c);
    }
    store(q + e, eight_sums<T>(a));
  }
}

// n registers of s += sum_e q[e] rows[e], from component c on; `kept`, unless null, takes the rows in float.
template <int n, bool keep, class T>
PYSOLVE_INLINE void axpys_tile(const T* const* rows, index_t count, index_t ld, const T* q, T* s, index_t c,
                               float* kept) {
  lanes<T> a[n];
  for (int i = 0; i < n; ++i) a[i] = load(s + c + 8 * i);
  for (index_t e = 0; e < count; ++e) {
    const T* const from = rows[e] + c;
    const T here = q[e];
    for (int i = 0; i < n; ++i) {
      const lanes<T> v = load(from + 8 * i);
      a[i] += here * v;
      if (keep) store(kept + e * ld + c + 8 * i, as<float>(v));
    }
  }
  for (int i = 0; i < n; ++i) store(s + c + 8 * i, a[i]);
}

// s += sum_e q[e] rows[e], up to eight registers of s at a time.
template <bool keep, class T>
PYSOLVE_INLINE void axpys(const T* const* rows, index_t count, index_t ld, const T* q, T* s, float* kept) {
  index_t c = 0;
  for (; c + 64 <= ld; c += 64) axpys_tile<8, keep>(rows, count, ld, q, s, c, kept);
  switch ((ld - c) / 8) {
    case 7:
      axpys_tile<7, keep>(rows, count, ld, q, s, c, kept);
      break;
    case 6:
      axpys_tile<6, keep>(rows, count, ld, q, s, c, kept);
      break;
    case 5:
      axpys_tile<5, keep>(rows, count, ld, q, s, c, kept);
      break;
    case 4:
      axpys_tile<4, keep>(rows, count, ld, q, s, c, kept);
      break;
    case 3:
      axpys_tile<3, keep>(rows, count, ld, q, s, c, kept);
      break;
    case 2:
      axpys_tile<2, keep>(rows, count, ld, q, s, c, kept);
      break;
    case 1:
      axpys_tile<1, keep>(rows, count, ld, q, s, c, kept);
      break;
    default:
      break;
  }
}

}  // namespace pysolve::cpu::panel
