// The two passes of an iteration of ssor_cg, row by row: ascending, the step and the solve with D/omega + L;
// descending, the solve with D/omega + L^T and the next direction.
#pragma once
#include "sor_pipeline.hpp"
#include "sor_row.hpp"

namespace pysolve::cpu {

// x and p are of no use to the preconditioner alone, for which y and z are the same array.
template <class Faces, class T>
struct ssor_system {
  const grid<T>& A;
  Faces faces;
  T omega;
  T *x, *r, *p, *y, *z;
  bool has_y;
  index_t z_slabs;  // so many slabs of z are held: 2, or all of them in the place of y

  // Row (i, j) of z; slabs are planes, or rows of a 2-D box.
  PYSOLVE_INLINE T* z_row(index_t i, index_t j) const {
    if (A.n[0] == 1) return z + j % z_slabs * A.n[2];
    return z + (i % z_slabs * A.n[1] + j) * A.n[2];
  }
  PYSOLVE_INLINE T* y_row(index_t i, index_t j) const { return y + (i * A.n[1] + j) * A.n[2]; }
};

// Neighbours of row (i, j) along axes 0 and 1 that come before it in memory, or after it: those next to it (zeros where
// there are none), and those that are so across a periodic side (null where there are none).
template <class T>
struct rows_on_one_side {
  const T *near_x, *near_y, *far_x, *far_y;
};
template <class T, class RowOf>
PYSOLVE_INLINE rows_on_one_side<T> rows_before(const grid<T>& A, index_t i, index_t j, RowOf row) {
  const bool wraps_x = A.low[0] == side::periodic && A.n[0] > 1 && i == A.n[0] - 1;
  const bool wraps_y = A.low[1] == side::periodic && A.n[1] > 1 && j == A.n[1] - 1;
  return {i > 0 ? row(i - 1, j) : A.zeros, j > 0 ? row(i, j - 1) : A.zeros, wraps_x ? row(0, j) : nullptr,
          wraps_y ? row(i, 0) : nullptr};
}
template <class T, class RowOf>
PYSOLVE_INLINE rows_on_one_side<T> rows_after(const grid<T>& A, index_t i, index_t j, RowOf row) {
  const bool wraps_x = A.low[0] == side::periodic && A.n[0] > 1 && i == 0;
  const bool wraps_y = A.low[1] == side::periodic && A.n[1] > 1 && j == 0;
  return {i < A.n[0] - 1 ? row(i + 1, j) : A.zeros, j < A.n[1] - 1 ? row(i, j + 1) : A.zeros,
          wraps_x ? row(A.n[0] - 1, j) : nullptr, wraps_y ? row(i, A.n[1] - 1) : nullptr};
}

enum class ascent { solve, start, step };

// r -= alpha A p and x += alpha p (step), then y_c = (r_c + sum of w_f y_f over the neighbours before c) omega / d_c.
// sums: eight of r.r, eight of y.D y (start, step).
template <ascent what, class Faces, class T>
PYSOLVE_CLONES void ssor_ascend(const ssor_system<Faces, T>& s, row_piece at, T alpha, bool starts,
                                double* sums) {
  using V = lanes<T>;
  const index_t n = s.A.n[2], row = (at.i * s.A.n[1] + at.j) * n;
  const auto before_row = rows_before<T>(
      s.A, at.i, at.j, [&](index_t i, index_t j) PYSOLVE_LAMBDA -> const T* { return s.y_row(i, j); });
  const row_of<T> direction =
      row_at(s.A, static_cast<const T*>(what == ascent::step ? s.p : s.r), at.i, at.j);
  const T left = s.A.low[2] == side::periodic ? direction.left : T(0);
  const T right = s.A.low[2] == side::periodic ? direction.right : T(0);
  const bool wraps = s.A.low[2] == side::periodic, has_y = s.has_y;
  T *x = s.x + row, *r = s.r + row, *y = s.y + row;
  const index_t ahead = ahead_of<T>(n);
  V before = V{} + (at.begin > 0 ? y[at.begin - 1] : T(0));
  lanes<double> rr = {}, yDy = {};
  if (what != ascent::solve && !starts) rr = load(sums), yDy = load(sums + n_lanes);
  const auto cells = [&](const eight_cells<T>& c, index_t k, auto how) PYSOLVE_LAMBDA {
    V residual = how.get(r + k);
    if constexpr (what == ascent::step) {
      ask_for(direction.xp + k + ahead), ask_for(x + k + ahead), ask_for(r + k + ahead);
      const V here = how.get(direction.c + k);
      V q = c.s * here + c.x0 * (here - how.get(direction.xm + k)) +
            c.x1 * (here - how.get(direction.xp + k)) +
            c.z0 * (here - how.get_before(direction.c + k, k, left)) +
            c.z1 * (here - how.get_next(direction.c + k, right));
      if (has_y) q += c.y0 * (here - how.get(direction.ym + k)) + c.y1 * (here - how.get(direction.yp + k));
      residual -= alpha * q;
      how.put(r + k, residual);
      how.put(x + k, how.get(x + k) + alpha * here);
    }
    V sum = residual + c.x0 * how.get(before_row.near_x + k);
    if (before_row.far_x) sum += c.x1 * how.get(before_row.far_x + k);
    if (has_y) sum += c.y0 * how.get(before_row.near_y + k);
    if (before_row.far_y) sum += c.y1 * how.get(before_row.far_y + k);
    V v = scan_forward<T>(c.forward, c.g * sum, before);
    before = last_of(v);
    if constexpr (how.is_last)
      if (wraps) v[how.count - 1] += (c.g * c.z1)[how.count - 1] * (k == 0 ? v[0] : y[0]);
    how.put(y + k, v);
    if constexpr (what != ascent::solve) {
      rr += widen<T>(residual) * widen<T>(residual);
      v = how.own(v);
      yDy += widen<T>(v) * widen<T>(c.d * v);
    }
  };
  ascend<Faces>(s.faces.row_at(s.A, at.i, at.j), n, at.begin, at.end, cells);
  if (what != ascent::solve) store(sums, rr), store(sums + n_lanes, yDy);
}

// sum of w_f z_f over the neighbours in rows after this one.
template <class T, class How>
PYSOLVE_INLINE lanes<T> sum_after(const eight_cells<T>& c, const rows_on_one_side<T>& rows, bool has_y,
                                  index_t k, How how) {
  lanes<T> sum = c.x1 * how.get(rows.near_x + k);
  if (rows.far_x) sum += c.x0 * how.get(rows.far_x + k);
  if (has_y) sum += c.y1 * how.get(rows.near_y + k);
  if (rows.far_y) sum += c.y0 * how.get(rows.far_y + k);
  return sum;
}

// z_c = (2-omega) y_c + omega/d_c sum of w_f z_f over the neighbours after c, then (unless it solves only)
// p = z + beta p. sums: eight of p.A p = sum_f w_f (p_c - p_f)^2 + sum_c s_c p_c^2, each face counted where the
// second of its two cells is done.
template <bool solves_only, class Faces, class T>
PYSOLVE_CLONES void ssor_descend(const ssor_system<Faces, T>& s, row_piece at, T beta, bool starts,
                                 double* sums) {
  using V = lanes<T>;
  const index_t n = s.A.n[2], row = (at.i * s.A.n[1] + at.j) * n;
  const auto after_row = rows_after<T>(
      s.A, at.i, at.j, [&](index_t i, index_t j) PYSOLVE_LAMBDA -> const T* { return s.z_row(i, j); });
  const row_of<T> direction = row_at(s.A, static_cast<const T*>(solves_only ? s.y : s.p), at.i, at.j);
  const bool periodic_x = s.A.low[0] == side::periodic, periodic_y = s.A.low[1] == side::periodic;
  const bool wraps = s.A.low[2] == side::periodic, has_y = s.has_y;
  const bool above_x = !(periodic_x && at.i == s.A.n[0] - 1), below_x = at.i == 0;
  const bool above_y = has_y && !(periodic_y && at.j == s.A.n[1] - 1), below_y = has_y && at.j == 0;
  const T two_less = 2 - s.omega;
  const index_t ahead = ahead_of<T>(n);
  const T* y = s.y + row;
  T *z = s.z_row(at.i, at.j), *p = s.p + row;
  V before = V{} + (at.end < n ? z[at.end] : T(0));
  V p_before = V{};
  if (!solves_only && at.end < n) p_before += p[at.end];
  lanes<double> pAp = {};
  if (!solves_only && !starts) pAp = load(sums);
  const auto cells = [&](const eight_cells<T>& c, index_t k, auto how) PYSOLVE_LAMBDA {
    ask_for(y + k - ahead);
    if (!solves_only) ask_for(p + k - ahead);
    const V sum = sum_after(c, after_row, has_y, k, how);
    V v = scan_backward<T>(c.backward, two_less * how.get(y + k) + c.g * sum, before);
    before = first_of(v);
    if (k == 0 && wraps) {
      T last = z[n - 1];
      if constexpr (how.is_last) last = v[how.count - 1];
      v[0] += (c.g * c.z0)[0] * last;
    }
    how.put(z + k, v);
    if constexpr (!solves_only) {
      if (beta != 0) v += beta * how.get(p + k);  // else p may be anything
      how.put(p + k, v);
      V after = down1(v, p_before);
      if constexpr (how.is_last)
        if (wraps) after[how.count - 1] = v[how.count - 1];
      p_before = first_of(v);
      const V dz = v - after;
      V energy = c.s * v * v + c.z1 * dz * dz;
      const auto add = [&](V w, const T* other) PYSOLVE_LAMBDA {
        const V d = v - how.get(other + k);
        energy += w * d * d;
      };
      if (above_x) add(c.x1, direction.xp);
      if (below_x) add(c.x0, direction.xm);
      if (above_y) add(c.y1, direction.yp);
      if (below_y) add(c.y0, direction.ym);
      if (k == 0) {
        T d = v[0];
        if (wraps) d -= how.is_last ? v[(n - 1) % n_lanes] : p[n - 1];
        energy[0] += c.z0[0] * d * d;
      }
      pAp += widen<T>(energy);
    }
  };
  descend<Faces>(s.faces.row_at(s.A, at.i, at.j), n, at.begin, at.end, cells);
  if (!solves_only) store(sums, pAp);
}

}  // namespace pysolve::cpu
