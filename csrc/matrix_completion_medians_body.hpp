// Bodies of the medians of the rows' deviations, and of the residual of entries in any order.
#pragma once
#include "matrix_completion_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// ---- medians ---------------------------------------------------------------------------------------------------------

template <class T>
struct bits_of;
template <>
struct bits_of<float> {
  using type = std::uint32_t;
};
template <>
struct bits_of<double> {
  using type = std::uint64_t;
};

// medians_i = the upper median of the r_e that have a weight, 0 without any. The bits of numbers that are not negative
// are in the order of the numbers: two of them at a time are found from the top, by counting.
//   bytes: N (sizeof T, twice with weights) a count, from the caches; 4 sizeof T counts
template <class T>
struct medians_body {
  observed<T> A;
  const T* r;
  T* medians;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(A.n_rows, block_threads / warp_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_warps(at, A.n_rows, [&](index_t i) {
      if (!has_entries(A, i)) return;
      const T median = of_row(at, i);
      if (at.thread() % warp_threads == 0) medians[i] = median;
    });
  }
  template <class Place>
  PYSOLVE_AT_PLACE T of_row(const Place& at, index_t i) const {
    using bits = typename bits_of<T>::type;
    bits found = 0;
    index_t wanted = counted(at, i, 0, 8 * sizeof(T)).total() / 2;  // so many are before it
    for (int shift = 8 * sizeof(T) - 2; shift >= 0; shift -= 2) {
      const counts here = counted(at, i, found, shift);
      if (here.total() == 0) return 0;
      int digit = 0;
      while (digit < 3 && wanted >= here.x[digit]) wanted -= here.x[digit++];
      found |= bits(digit) << shift;
    }
    T median;
    memcpy(&median, &found, sizeof median);
    return median;
  }
  struct counts {
    index_t x[4];
    PYSOLVE_BODY index_t total() const { return x[0] + x[1] + x[2] + x[3]; }
    PYSOLVE_BODY counts& operator+=(const counts& o) {
      for (int d = 0; d < 4; ++d) x[d] += o.x[d];
      return *this;
    }
  };
  // How many have the bits above shift + 1 of `found` and each value of the two from shift on; all where shift is all bits.
  template <class Place>
  PYSOLVE_AT_PLACE counts counted(const Place& at, index_t i, typename bits_of<T>::type found,
                                  int shift) const {
    constexpr int all = 8 * sizeof(T);
    counts count{};
    for (index_t e = A.begin[i] + at.thread() % warp_threads; e < A.end[i]; e += warp_threads) {
      if (A.weights && !(A.weights[e] > 0)) continue;
      typename bits_of<T>::type here;
      memcpy(&here, r + e, sizeof here);
      const int above = shift + 2 < all ? shift + 2 : 0;
      const bool same = above == 0 || (here >> above) == (found >> above);
      const int digit = shift < all ? int((here >> (shift < all ? shift : 0)) & 3) : 0;
      for (int d = 0; d < 4; ++d) count.x[d] += same && d == digit;
    }
    return across(at, count, 1, warp_threads);
  }
};

// ---- entries in any order ---------------------------------------------------------------------------------------------

// r_e = y_e - u_i.v_j, and the sum of w_e r_e^2; two rows of ld values gathered by the lanes of a group.
template <class T>
struct entries_residual_body {
  using result = completion_share;
  static constexpr int blocks_at_once = 1;
  const std::int32_t *rows, *cols;
  const T *values, *weights;
  index_t n_entries;
  const T* U;
  index_t m;
  const T* V;
  index_t n, ld;
  T* r;
  PYSOLVE_BODY int lanes() const {
    int G = 2;
    while (G < warp_threads && 4 * G < ld) G *= 2;
    return G;
  }
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n_entries, block_threads / lanes()); }
  template <class Place>
  PYSOLVE_AT_PLACE completion_share operator()(const Place& at) const {
    const int G = lanes(), lane = at.thread() % G, groups = warp_threads / G;
    completion_share share;
    over_warps(at, (n_entries + groups - 1) / groups, [&](index_t set) {
      const index_t e = set * groups + at.thread() % warp_threads / G;
      const index_t i = e < n_entries ? rows[e] : -1, j = e < n_entries ? cols[e] : -1;
      const bool good = i >= 0 && i < m && j >= 0 && j < n;
      T dot = T(), u[4], v[4];
      for (index_t c = 4 * lane; good && c < ld; c += 4 * G) {
        load_four(U + i * ld + c, u);
        load_four(V + j * ld + c, v);
        PYSOLVE_UNROLL
        for (int x = 0; x < 4; ++x) dot += u[x] * v[x];
      }
      dot = across(at, dot, 1, G);
      if (lane > 0 || e >= n_entries) return;
      if (!good) {
        share += {0, e};
        return;
      }
      const T here = values[e] - dot;
      if (r) r[e] = here;
      share.squares += (weights ? double(weights[e]) : 1.0) * double(here) * double(here);
    });
    return share;
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
