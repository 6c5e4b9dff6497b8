// Register tiles of the mode products: MR rows of NV vectors of 64 bytes, c_ij = sum_k p_ik q_kj.
//
// One multiplication for both layouts. Where the mode is the last one (contraction) the rows are values of x and the vectors
// are columns of the packed A; else (combination) the rows are those of the packed A and the vectors lie in x.
// A value of c is summed by one fused multiply-add a step in the order of k, wherever in a tile it stands.
#pragma once
#include <algorithm>

#include "simd.hpp"

namespace pysolve::cpu::kron_tile {

template <class T>
struct vector_of;
template <>
struct vector_of<float> {
  typedef float type __attribute__((vector_size(64)));
};
template <>
struct vector_of<double> {
  typedef double type __attribute__((vector_size(64)));
};
template <class T>
using vector = typename vector_of<T>::type;
template <class T>
constexpr index_t width = 64 / index_t(sizeof(T));

// Where vector v begins of those that cover `size` values: the last is moved back to end with them, and computes some
// values that the one before it has, to the same bits. One alone that is not full begins at 0.
template <class T>
PYSOLVE_INLINE index_t vector_begin(index_t v, index_t size) {
  return size < width<T> ? 0 : std::min(v * width<T>, size - width<T>);
}
template <class T>
constexpr index_t n_vectors(index_t size) {
  return (size + width<T> - 1) / width<T>;
}

// Vectors in panels of NV at most, cut evenly.
constexpr index_t n_panels(index_t vectors, index_t most) { return (vectors + most - 1) / most; }
constexpr index_t panel_begin(index_t vectors, index_t most, index_t p) {
  return vectors * p / n_panels(vectors, most);
}

// Rows in blocks of MR; the rest in one of MR, MR / 2 or MR / 4, the least that holds it.
template <int MR>
constexpr index_t block_rows(index_t rest) {
  return rest > MR / 2 ? MR : rest > MR / 4 ? MR / 2 : MR / 4;
}
template <int MR>
constexpr index_t padded_rows(index_t m) {
  return m / MR * MR + (m % MR ? block_rows<MR>(m % MR) : 0);
}

// Rows p_i that begin anywhere, with a stride between their values.
template <int MR, class T>
struct plain_rows {
  const T* row[MR];
  index_t step;
  PYSOLVE_INLINE T at(int i, index_t k) const { return row[i][k * step]; }
};
// The same in blocks packed side by side.
template <int MR, class T>
struct packed_rows {
  const T* base;
  PYSOLVE_INLINE T at(int i, index_t k) const { return base[k * MR + i]; }
};
// Vectors q_k that lie anywhere, with a stride from one k to the next.
template <int NV, class T>
struct plain_vectors {
  const T* begin[NV];
  index_t step;
  PYSOLVE_INLINE const T* at(int v, index_t k) const { return begin[v] + k * step; }
};
template <int NV, class T>
struct packed_vectors {
  const T* base;
  PYSOLVE_INLINE const T* at(int v, index_t k) const { return base + (k * NV + v) * width<T>; }
};

// Where a tile goes: value j of row i is row[i][j step]; vector v begins at begin[v] and has `lanes` values.
template <int MR, int NV, class T>
struct target {
  T* row[MR];
  index_t begin[NV];
  index_t step, lanes;
  int rows;  // of MR, those that are there
};

template <class T>
PYSOLVE_INLINE vector<T> load_vector(const T* p) {
  vector<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// A tile whose vectors are not whole, or whose values have a stride.
template <int MR, int NV, class T>
PYSOLVE_INLINE void put_values(const vector<T> (&sums)[MR][NV], const target<MR, NV, T>& c) {
  T values[MR][NV][width<T>];
  std::memcpy(values, sums, sizeof values);
  for (int i = 0; i < c.rows; ++i)
    for (int v = 0; v < NV; ++v)
      for (index_t e = 0; e < c.lanes; ++e) c.row[i][(c.begin[v] + e) * c.step] = values[i][v][e];
}

// Lines that a tile is to write, fetched while it is summed.
template <int MR, int NV, class T>
PYSOLVE_INLINE void fetch_to_write(const target<MR, NV, T>& c) {
#pragma GCC unroll 8
  for (int i = 0; i < MR; ++i)
    if (i < c.rows)
#pragma GCC unroll 3
      for (int v = 0; v < NV; ++v) __builtin_prefetch(c.row[i] + c.begin[v] * c.step, 1);
}

template <int MR, int NV, class T, class Rows, class Vectors>
PYSOLVE_INLINE void multiply(const Rows& rows, const Vectors& vectors, index_t n,
                             const target<MR, NV, T>& c) {
  vector<T> sums[MR][NV] = {};
  for (index_t k = 0; k < n; ++k) {
    vector<T> q[NV];
#pragma GCC unroll 3
    for (int v = 0; v < NV; ++v) q[v] = load_vector(vectors.at(v, k));
#pragma GCC unroll 8
    for (int i = 0; i < MR; ++i) {
      const T p = rows.at(i, k);
#pragma GCC unroll 3
      for (int v = 0; v < NV; ++v) sums[i][v] += p * q[v];
    }
  }
  if (c.step != 1 || c.lanes != width<T>) return put_values(sums, c);
#pragma GCC unroll 8
  for (int i = 0; i < MR; ++i)
    if (i < c.rows)
#pragma GCC unroll 3
      for (int v = 0; v < NV; ++v) std::memcpy(c.row[i] + c.begin[v], &sums[i][v], sizeof(vector<T>));
}

}  // namespace pysolve::cpu::kron_tile
