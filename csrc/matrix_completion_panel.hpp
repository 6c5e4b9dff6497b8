// The panel of a row: the rows of V that its entries name, gathered once, and products with it.
//
// Two layouts. `across` (small k): blocks of at most 64 entries, transposed, so that a vector register holds one
// component of eight entries and no sum runs across lanes but at the end of a row. `along` (larger k): rows as they are,
// a register holds eight components of one entry, and eight entries are summed across lanes together.
#pragma once
#include <algorithm>
#include <cstdint>

#include "matrix_completion.hpp"
#include "simd.hpp"

namespace pysolve::cpu::panel {

constexpr index_t block = 64;              // entries of a transposed block: it and its products stay in L1
constexpr index_t group = 16;              // entries that `along` takes together
constexpr index_t ahead = 24;              // entries between a row's prefetch and its use
constexpr index_t near_bytes = 512 << 10;  // a factor of this size is in L2
constexpr index_t across_max = 20;         // ranks up to this are laid out across entries

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

template <class T>
PYSOLVE_INLINE lanes<T> spread(T a) {
  return lanes<T>{} + a;
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

// ---- across -------------------------------------------------------------------------------------------------

// Components c .. c + 7 of eight rows, transposed into lines of `width` values; count of them are wanted.
template <class T>
PYSOLVE_INLINE void transpose_eight(const T* const* rows, index_t c, index_t count, T* out, index_t width) {
  lanes<T> a[8], b[8];
  if (count <= 4) {  // the rows e and e + 4 share a register
    typedef T half __attribute__((vector_size(4 * sizeof(T))));
    for (int e = 0; e < 4; ++e) {
      half low, high;
      std::memcpy(&low, rows[e] + c, sizeof low);
      std::memcpy(&high, rows[e + 4] + c, sizeof high);
      a[e] = __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
    }
    b[0] = even_pairs<T>(a[0], a[1]), b[1] = odd_pairs<T>(a[0], a[1]);
    b[2] = even_pairs<T>(a[2], a[3]), b[3] = odd_pairs<T>(a[2], a[3]);
    a[0] = even_fours<T>(b[0], b[2]), a[1] = even_fours<T>(b[1], b[3]);
    a[2] = odd_fours<T>(b[0], b[2]), a[3] = odd_fours<T>(b[1], b[3]);
  } else {
    for (int e = 0; e < 8; ++e) a[e] = load(rows[e] + c);
    for (int e = 0; e < 8; e += 2)
      b[e] = even_pairs<T>(a[e], a[e + 1]), b[e + 1] = odd_pairs<T>(a[e], a[e + 1]);
    for (int e = 0; e < 8; e += 4)
      for (int i = 0; i < 2; ++i)
        a[e + i] = even_fours<T>(b[e + i], b[e + i + 2]), a[e + i + 2] = odd_fours<T>(b[e + i], b[e + i + 2]);
    for (int i = 0; i < 4; ++i)
      b[i] = low_halves<T>(a[i], a[i + 4]), b[i + 4] = high_halves<T>(a[i], a[i + 4]);
    for (int i = 0; i < 8; ++i) a[i] = b[i];
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i)
    if (i < count) store(out + i * width, a[i]);
}

// out[c][e] = V[indices[e]][c], c < k, e < width = padded(count); the padding is zeros. `left`: how many indices may
// be read from `indices` on.
template <class T>
PYSOLVE_INLINE void gather_transposed(const T* V, index_t ld, const std::int32_t* indices, index_t count,
                                      index_t left, index_t k, const T* zeros, T* out) {
  const index_t width = padded(count);
  for (index_t e = 0; e < width; e += 8) {
    const T* rows[8];
    for (index_t i = 0; i < 8; ++i) {
      rows[i] = e + i < count ? V + index_t(indices[e + i]) * ld : zeros;
      if (e + i + ahead < left) prefetch_row(V, ld, indices[e + i + ahead]);
    }
    for (index_t c = 0; c < k; c += 8)
      transpose_eight(rows, c, std::min<index_t>(8, k - c), out + c * width + e, width);
  }
}

// q[e] = sum_c p[c] block[c][e]
template <class T>
PYSOLVE_INLINE void dots_across(const T* data, index_t width, index_t k, const T* p, T* q) {
  index_t e = 0;
  for (; e + 32 <= width; e += 32) {
    lanes<T> a[4] = {};
    for (index_t c = 0; c < k; ++c)
      for (int i = 0; i < 4; ++i) a[i] += p[c] * load(data + c * width + e + 8 * i);
    for (int i = 0; i < 4; ++i) store(q + e + 8 * i, a[i]);
  }
  for (; e < width; e += 8) {
    lanes<T> a[2] = {};
    index_t c = 0;
    for (; c + 2 <= k; c += 2)
      for (int i = 0; i < 2; ++i) a[i] += p[c + i] * load(data + (c + i) * width + e);
    if (c < k) a[0] += p[c] * load(data + c * width + e);
    store(q + e, a[0] + a[1]);
  }
}

// s[c] += block[c] * q, lane by lane: the lanes are summed at the end of the row.
template <class T>
PYSOLVE_INLINE void axpys_across(const T* data, index_t width, index_t k, const T* q, T* s) {
  index_t c = 0;
  for (; c + 5 <= k; c += 5) {
    lanes<T> a[5];
    for (int i = 0; i < 5; ++i) a[i] = load(s + 8 * (c + i));
    for (index_t e = 0; e < width; e += 8) {
      const lanes<T> here = load(q + e);
      for (int i = 0; i < 5; ++i) a[i] += here * load(data + (c + i) * width + e);
    }
    for (int i = 0; i < 5; ++i) store(s + 8 * (c + i), a[i]);
  }
  for (; c < k; ++c) {
    lanes<T> a = load(s + 8 * c);
    for (index_t e = 0; e < width; e += 8) a += load(q + e) * load(data + c * width + e);
    store(s + 8 * c, a);
  }
}

// out[c] = the sum of the lanes of s[c], for c < k rounded up to 8 (the lanes from k on are zeros).
template <class T>
PYSOLVE_INLINE void sum_lanes(const T* s, index_t k, T* out) {
  for (index_t c = 0; c < k; c += 8) {
    lanes<T> a[8];
    for (int i = 0; i < 8; ++i) a[i] = load(s + 8 * (c + i));
    store(out + c, eight_sums<T>(a));
  }
}

// ---- along --------------------------------------------------------------------------------------------------

// q[e] = rows[e].p for e < count, count a multiple of eight; a row has ld values.
template <class T>
PYSOLVE_INLINE void dots_along(const T* const* rows, index_t count, index_t ld, const T* p, T* q) {
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
PYSOLVE_INLINE void axpys_along(const T* const* rows, index_t count, index_t ld, const T* q, T* s,
                                float* kept) {
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
