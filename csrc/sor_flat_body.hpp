// 2-D boxes (n[1] == 1) as the kernel of sor_red_black_body.hpp sees them: the row of A in a cell, and how a box is cut.
#pragma once
#include <cstdint>
#include <initializer_list>

#include "sor_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// ---- the row of A in a cell --------------------------------------------------------------------------------------

template <class T>
struct flat_cell {
  T x0, x1, z0, z1, s;  // faces, 0 where they lead nowhere, and shift
  T d, factor;          // the diagonal, and omega over it (over 1 in a decoupled cell)
  // b - A x there in S, A x in differences; the row of the identity in a decoupled cell, where d is 0.
  template <class S>
  PYSOLVE_BODY S rest(S b, S c, S xm, S xp, S zm, S zp) const {
    if (d == 0) return b - c;
    return b - (S(x0) * (c - xm) + S(x1) * (c - xp) + S(z0) * (c - zm) + S(z1) * (c - zp) + S(s) * c);
  }
};

// The cells of a 2-D box with constant weights and shift: nine kinds, by how many faces along each axis are open.
template <class Weights, class T>
struct flat_cells;
template <class T>
struct flat_cells<constant_weights<T>, T> {
  T x, z, s;
  bool closed[2][2];  // by axis and side
  T d[3][3], factor[3][3];
  flat_cells(const grid<T>& A, T omega)
      : x(A.constant[0]), z(A.constant[2]), s(open_faces(A, 1, 0) * A.constant[1] + A.shift0) {
    for (int axis = 0; axis < 2; ++axis) {
      closed[axis][0] = A.low[2 * axis] == side::neumann;
      closed[axis][1] = A.high[2 * axis] == side::neumann;
    }
    for (int i = 0; i < 3; ++i)
      for (int k = 0; k < 3; ++k) {
        d[i][k] = T(i) * x + T(k) * z + s;
        factor[i][k] = omega / (d[i][k] == 0 ? T(1) : d[i][k]);
      }
  }
  PYSOLVE_BODY flat_cell<T> at(const grid<T>& A, int i, int k) const {
    const bool x0 = i > 0 || !closed[0][0], x1 = i < A.n[0] - 1 || !closed[0][1];
    const bool z0 = k > 0 || !closed[1][0], z1 = k < A.n[2] - 1 || !closed[1][1];
    const int open_x = x0 + x1, open_z = z0 + z1;
    return {x0 ? x : T(0),     x1 ? x : T(0),         z0 ? z : T(0), z1 ? z : T(0), s,
            d[open_x][open_z], factor[open_x][open_z]};
  }
};
template <class T>
struct flat_cells<face_weights<T>, T> {
  T omega;
  flat_cells(const grid<T>&, T omega_) : omega(omega_) {}
  PYSOLVE_BODY flat_cell<T> at(const grid<T>& A, int i, int k) const {
    const T* const x = A.weights[0] + i * A.n[2] + k;
    const T* const z = A.weights[2] + i * (A.n[2] + 1) + k;
    flat_cell<T> c{x[0], x[A.n[2]], z[0], z[1], A.shift ? A.shift[i * A.n[2] + k] : A.shift0, T(0), T(0)};
    c.d = (c.x0 + c.x1) + (c.z0 + c.z1) + c.s;
    c.factor = omega / (c.d == 0 ? T(1) : c.d);
    return c;
  }
};

// Whether the kernel takes a box: no face leads out of the plane or all of those weigh the same, and so does the shift
// where the weights do; and its extents are ints.
template <class T>
bool is_flat(const grid<T>& A) {
  constexpr index_t most = index_t(1) << 30;
  const bool alike = A.weights[0] ? A.weights[1] == nullptr : A.shift == nullptr;
  return A.n[1] == 1 && alike && A.n[0] < most && A.n[2] < most;
}

// The cells of one row that a thread holds, and those of one colour among them.
template <class T>
struct alignas(16) flat_vector {
  static constexpr int count = 16 / int(sizeof(T)), half = count / 2;
  T at[count];
};
template <class T>
struct one_colour {
  T at[flat_vector<T>::half];
};

constexpr index_t warps_at_once = 132 * 16;  // of an H100 or H200: two blocks of 8 on each multiprocessor

// How a 2-D box is cut: strips of columns, 30 vectors each, in segments of rows, an even number each.
template <class T>
struct flat_strips {
  static constexpr int columns = 30 * flat_vector<T>::count;
  index_t n_strips, rows, n_tasks;
  PYSOLVE_BODY explicit flat_strips(const index_t n[3]) : n_strips((n[2] + columns - 1) / columns) {
    const index_t segments = n_strips < warps_at_once ? warps_at_once / n_strips : 1;
    rows = (n[0] + segments - 1) / segments;
    rows = rows < 8 ? 8 : rows + (rows & 1);
    n_tasks = n_strips * ((n[0] + rows - 1) / rows);
  }
};

PYSOLVE_BODY int wrapped(int k, int n) {
  k %= n;
  return k < 0 ? k + n : k;
}

// Whether the kernel's vectors begin at multiples of their size in every row.
template <class T>
bool has_whole_vectors(const grid<T>& A, std::initializer_list<const T*> arrays) {
  bool whole = A.n[2] % flat_vector<T>::count == 0;
  for (const T* array : arrays) whole = whole && reinterpret_cast<std::uintptr_t>(array) % 16 == 0;
  return whole;
}

}  // namespace pysolve::PYSOLVE_BACKEND
