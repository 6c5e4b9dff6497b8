// A row's panel in transposed blocks of at most 64 entries: a vector register holds one component of eight entries.
#pragma once
#include "matrix_completion_panel.hpp"

namespace pysolve::cpu::panel {

constexpr index_t block = 64;  // entries of a transposed block: it and its products stay in L1

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

}  // namespace pysolve::cpu::panel
