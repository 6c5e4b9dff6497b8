// One row of cells (along the last axis) of a stencil operator: shared by stencil.cpp and the solvers that run
// compiled. A row is walked 8 cells at a time; each step sees x and its six neighbours in registers.
#pragma once
#include "simd.hpp"
#include "stencil.hpp"

namespace pysolve::cpu {

// Four neighbouring rows of row (i, j) of x. Beyond a Dirichlet side a row of zeros stands in, beyond a Neumann
// side the row itself: its difference to itself is zero, whatever the weight.
template <class T>
struct row_of {
  const T* c;                  // the row itself
  const T *xm, *xp, *ym, *yp;  // rows i - 1, i + 1 (axis 0) and j - 1, j + 1 (axis 1)
  T left, right;               // what lies beyond its two ends
};

template <class T>
PYSOLVE_INLINE const T* neighbour(const grid<T>& A, int axis, index_t at, index_t stride, int step,
                                  const T* row) {
  const index_t last = A.n[axis] - 1;
  if (step < 0 ? at > 0 : at < last) return row + step * stride;
  const side s = step < 0 ? A.low[axis] : A.high[axis];
  if (s == side::dirichlet) return A.zeros;
  return s == side::neumann ? row : row - step * last * stride;
}

template <class T>
PYSOLVE_INLINE row_of<T> row_at(const grid<T>& A, const T* x, index_t i, index_t j) {
  const index_t n1 = A.n[1], n2 = A.n[2];
  row_of<T> r;
  r.c = x + (i * n1 + j) * n2;
  r.xm = neighbour(A, 0, i, n1 * n2, -1, r.c);
  r.xp = neighbour(A, 0, i, n1 * n2, +1, r.c);
  r.ym = neighbour(A, 1, j, n2, -1, r.c);
  r.yp = neighbour(A, 1, j, n2, +1, r.c);
  r.left = A.low[2] == side::dirichlet ? T(0) : A.low[2] == side::neumann ? r.c[0] : r.c[n2 - 1];
  r.right = A.high[2] == side::dirichlet ? T(0) : A.high[2] == side::neumann ? r.c[n2 - 1] : r.c[0];
  return r;
}

// How far ahead of the row above (the one row of x that has not been read before) memory is asked for: a page, which
// the hardware's own prefetching does not cross.
constexpr index_t prefetch_bytes = 4096;

// Weights of the faces of row (i, j), as scalars (constant) or rows of the weight arrays. times() is A x in a cell
// (or eight) from the values around it; energy() is the cell's share of x . A x: its faces to the cells before it
// along each axis, the Dirichlet sides above it, its shift.
template <class T, bool has_shift>
struct constant_faces {
  T x, y, z, s0;
  const T* s;
  PYSOLVE_INLINE constant_faces(const grid<T>& A, index_t i, index_t j)
      : x(A.constant[0]),
        y(A.constant[1]),
        z(A.constant[2]),
        s0(A.shift0),
        s(has_shift ? A.shift + (i * A.n[1] + j) * A.n[2] : nullptr) {}
  template <class V, class Get>
  PYSOLVE_INLINE V times(V c, V xm, V xp, V ym, V yp, V zm, V zp, index_t k, Get get) const {
    const V two = c + c;
    const V faces = x * (two - (xm + xp)) + y * (two - (ym + yp)) + z * (two - (zm + zp));
    if constexpr (has_shift) return get(s + k) * c + faces;
    return s0 * c + faces;
  }
  PYSOLVE_INLINE void prefetch(index_t) const {}
  template <class V, class Get>
  PYSOLVE_INLINE V energy(V c, V xm, V ym, V zm, bool x_side, bool y_side, index_t k, Get get) const {
    const V dx = c - xm, dy = c - ym, dz = c - zm;
    const V faces = x * dx * dx + y * dy * dy + z * dz * dz;
    const V own = V{} + (s0 + (x_side ? x : T(0)) + (y_side ? y : T(0)));
    if constexpr (has_shift) return (get(s + k) + own) * c * c + faces;
    return own * c * c + faces;
  }
  PYSOLVE_INLINE T last_face(index_t) const { return z; }
};

template <class T, bool has_y>
struct array_faces {
  const T *x0, *x1, *y0, *y1, *z, *s;
  T s0;
  PYSOLVE_INLINE array_faces(const grid<T>& A, index_t i, index_t j) : s0(A.shift0) {
    const index_t n1 = A.n[1], n2 = A.n[2];
    x0 = A.weights[0] + (i * n1 + j) * n2;
    x1 = x0 + n1 * n2;
    y0 = has_y ? A.weights[1] + (i * (n1 + 1) + j) * n2 : nullptr;
    y1 = has_y ? y0 + n2 : nullptr;
    z = A.weights[2] + (i * n1 + j) * (n2 + 1);
    s = A.shift ? A.shift + (i * n1 + j) * n2 : nullptr;
  }
  template <class V, class Get>
  PYSOLVE_INLINE V times(V c, V xm, V xp, V ym, V yp, V zm, V zp, index_t k, Get get) const {
    V a = get(x0 + k) * (c - xm) + get(x1 + k) * (c - xp);
    V b = get(z + k) * (c - zm) + get(z + k + 1) * (c - zp);
    if constexpr (has_y) a = get(y0 + k) * (c - ym) + get(y1 + k) * (c - yp) + a;
    return a + (s ? get(s + k) * c + b : s0 * c + b);
  }
  PYSOLVE_INLINE void prefetch(index_t k) const {
    __builtin_prefetch(x1 + k + prefetch_bytes / sizeof(T));
    __builtin_prefetch(z + k + prefetch_bytes / sizeof(T));
    if constexpr (has_y) __builtin_prefetch(y1 + k + prefetch_bytes / sizeof(T));
  }
  template <class V, class Get>
  PYSOLVE_INLINE V energy(V c, V xm, V ym, V zm, bool x_side, bool y_side, index_t k, Get get) const {
    const V dx = c - xm, dz = c - zm;
    V a = get(x0 + k) * dx * dx, own = V{} + s0;
    if constexpr (has_y) {
      const V dy = c - ym;
      a = get(y0 + k) * dy * dy + a;
      if (y_side) own = own + get(y1 + k);
    }
    if (x_side) own = own + get(x1 + k);
    if (s) own = own + get(s + k);
    return own * c * c + (get(z + k) * dz * dz + a);
  }
  PYSOLVE_INLINE T last_face(index_t n) const { return z[n]; }
};

// visit8(k, A x at cells k..k+7) as long as eight cells are left, then visit1(k, A x at cell k); A x in S.
template <class S, class T, class Faces, class Visit8, class Visit1>
PYSOLVE_INLINE void along_row(const row_of<T>& r, const Faces& faces, index_t n, Visit8&& visit8,
                              Visit1&& visit1) {
  using V = lanes<S>;
  const auto get8 = [](const T* p) PYSOLVE_LAMBDA { return as<S>(load(p)); };
  const auto get1 = [](const T* p) PYSOLVE_LAMBDA { return S(*p); };
  index_t k = 0;
  if (n >= n_lanes) {
    V before = V{} + S(r.left), here = get8(r.c);
    for (; k + n_lanes <= n; k += n_lanes) {
      __builtin_prefetch(r.xp + k + prefetch_bytes / sizeof(T));
      faces.prefetch(k);
      const index_t ahead = k + n_lanes;
      V next;
      if (ahead + n_lanes <= n)
        next = get8(r.c + ahead);
      else
        next = V{} + S(ahead < n ? r.c[ahead] : r.right);
      const V zm = __builtin_shufflevector(before, here, 7, 8, 9, 10, 11, 12, 13, 14);
      const V zp = __builtin_shufflevector(here, next, 1, 2, 3, 4, 5, 6, 7, 8);
      visit8(k, faces.times(here, get8(r.xm + k), get8(r.xp + k), get8(r.ym + k), get8(r.yp + k), zm, zp, k,
                            get8));
      before = here;
      here = next;
    }
  }
  for (; k < n; ++k) {
    const S zm = k > 0 ? r.c[k - 1] : r.left, zp = k + 1 < n ? r.c[k + 1] : r.right;
    visit1(k, faces.times(S(r.c[k]), S(r.xm[k]), S(r.xp[k]), S(r.ym[k]), S(r.yp[k]), zm, zp, k, get1));
  }
}

// f.template operator()<Faces>() for the kind of weights that A has.
template <class T, class F>
PYSOLVE_INLINE auto with_faces(const grid<T>& A, F&& f) {
  if (!A.weights[0]) {
    if (A.shift) return f.template operator()<constant_faces<T, true>>();
    return f.template operator()<constant_faces<T, false>>();
  }
  if (A.weights[1]) return f.template operator()<array_faces<T, true>>();
  return f.template operator()<array_faces<T, false>>();
}

}  // namespace pysolve::cpu
