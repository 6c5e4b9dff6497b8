// What a sweep does to one row of a stencil operator: relaxes it forward, backward or in one colour, or sums the squares
// of its residual.
#pragma once
#include "sor_pipeline.hpp"
#include "sor_row.hpp"

namespace pysolve::cpu {

template <class Faces, class T>
struct sor_system {
  using value_type = T;
  const grid<T>& A;
  Faces faces;
  T omega;
  const T* b;
  T* x;
  bool has_y;
  sor_system(const grid<T>& A_, T omega_, const T* b_, T* x_)
      : A(A_), faces(A_, omega_), omega(omega_), b(b_), x(x_), has_y(has_axis_1(A_)) {}
};

// Asks for memory of the row ahead in the order of the sweep, which nobody has read before.
template <class T>
PYSOLVE_INLINE void ask_for(const T* row, index_t k) {
  __builtin_prefetch(row + k + prefetch_bytes / index_t(sizeof(T)));
}

// sum_f w_f x_f + b over the faces of eight cells but the one that the scan is along.
template <class T, class How>
PYSOLVE_INLINE lanes<T> around(const eight_cells<T>& c, const row_of<T>& r, const T* b, bool has_y, index_t k,
                               How how) {
  lanes<T> sum = how.get(b + k) + c.x0 * how.get(r.xm + k) + c.x1 * how.get(r.xp + k);
  if (has_y) sum += c.y0 * how.get(r.ym + k) + c.y1 * how.get(r.yp + k);
  return sum;
}

template <class Faces, class T>
PYSOLVE_CLONES void relax_forward(const sor_system<Faces, T>& s, row_piece at) {
  const index_t n = s.A.n[2];
  const row_of<T> r = row_at(s.A, static_cast<const T*>(s.x), at.i, at.j);
  T* x = const_cast<T*>(r.c);
  const T* b = s.b + (r.c - s.x);
  const bool wraps = s.A.low[2] == side::periodic;
  lanes<T> before = lanes<T>{} + (at.begin > 0 ? x[at.begin - 1] : wraps ? r.left : T(0));
  T last_weight = 0;
  ascend<Faces>(s.faces.row_at(s.A, at.i, at.j), n, at.begin, at.end,
                [&](const eight_cells<T>& c, index_t k, auto how) PYSOLVE_LAMBDA {
                  ask_for(r.xp, k);
                  ask_for(b, k);
                  const lanes<T> sum = around(c, r, b, s.has_y, k, how) + c.z1 * how.get_next(x + k, T(0));
                  const lanes<T> v =
                      scan_forward<T>(c.forward, (1 - s.omega) * how.get(x + k) + c.g * sum, before);
                  how.put(x + k, v);
                  before = last_of(v);
                  if constexpr (how.is_last) last_weight = (c.g * c.z1)[how.count - 1];
                });
  if (wraps && at.end == n) x[n - 1] += last_weight * x[0];
}

template <class Faces, class T>
PYSOLVE_CLONES void relax_backward(const sor_system<Faces, T>& s, row_piece at) {
  const index_t n = s.A.n[2];
  const row_of<T> r = row_at(s.A, static_cast<const T*>(s.x), at.i, at.j);
  T* x = const_cast<T*>(r.c);
  const T* b = s.b + (r.c - s.x);
  const bool wraps = s.A.low[2] == side::periodic;
  // What lies after the row is added to its last cell, which need not be the last of eight.
  lanes<T> before = lanes<T>{} + (at.end < n ? x[at.end] : T(0));
  const T right = wraps ? r.right : T(0);
  T first_weight = 0;
  descend<Faces>(s.faces.row_at(s.A, at.i, at.j), n, at.begin, at.end,
                 [&](const eight_cells<T>& c, index_t k, auto how) PYSOLVE_LAMBDA {
                   lanes<T> sum = around(c, r, b, s.has_y, k, how) + c.z0 * how.get_before(x + k, k, T(0));
                   if constexpr (how.is_last) sum[how.count - 1] += c.z1[how.count - 1] * right;
                   const lanes<T> v =
                       scan_backward<T>(c.backward, (1 - s.omega) * how.get(x + k) + c.g * sum, before);
                   how.put(x + k, v);
                   before = first_of(v);
                   if (k == 0) first_weight = c.g[0] * c.z0[0];
                 });
  if (wraps && at.begin == 0) x[0] += first_weight * x[n - 1];
}

// Cells with (i + j + k) % 2 == colour.
template <class Faces, class T>
PYSOLVE_CLONES void relax_colour(const sor_system<Faces, T>& s, row_piece at, int colour) {
  const index_t n = s.A.n[2];
  const row_of<T> r = row_at(s.A, static_cast<const T*>(s.x), at.i, at.j);
  T* x = const_cast<T*>(r.c);
  const T* b = s.b + (r.c - s.x);
  const bool wraps = s.A.low[2] == side::periodic;
  const T left = wraps ? r.left : T(0), right = wraps ? r.right : T(0);
  const bool even = (at.i + at.j + colour) % 2 == 0;
  ascend<Faces>(s.faces.row_at(s.A, at.i, at.j), n, at.begin, at.end,
                [&](const eight_cells<T>& c, index_t k, auto how) PYSOLVE_LAMBDA {
                  ask_for(r.xp, k);
                  ask_for(b, k);
                  const lanes<T> here = how.get(x + k);
                  const lanes<T> before = how.get_before(x + k, k, left);
                  const lanes<T> after = how.get_next(x + k, right);
                  const lanes<T> sum = around(c, r, b, s.has_y, k, how) + c.z0 * before + c.z1 * after;
                  const lanes<T> v = (1 - s.omega) * here + c.g * sum;
                  how.put(x + k, even ? __builtin_shufflevector(v, here, 0, 9, 2, 11, 4, 13, 6, 15)
                                      : __builtin_shufflevector(here, v, 0, 9, 2, 11, 4, 13, 6, 15));
                });
}

// Adds the squares of b - A x, in double, to eight sums, or puts them there (`starts`). In differences, as stencil_residual has it.
// The order of the sum is that of the pass, so that it is the same wherever the row is cut.
template <bool descends, class Faces, class T>
PYSOLVE_CLONES void add_residual(const sor_system<Faces, T>& s, row_piece at, bool starts, double* squares) {
  const index_t n = s.A.n[2];
  const row_of<T> r = row_at(s.A, static_cast<const T*>(s.x), at.i, at.j);
  const T* b = s.b + (r.c - s.x);
  const bool wraps = s.A.low[2] == side::periodic;
  const T left = wraps ? r.left : T(0), right = wraps ? r.right : T(0);
  lanes<double> sum = starts ? lanes<double>{} : load(squares);
  const auto add = [&](const eight_cells<T>& c, index_t k, auto how) PYSOLVE_LAMBDA {
    using D = lanes<double>;
    const D here = widen<T>(how.get(r.c + k));
    const auto flow = [&](lanes<T> w, lanes<T> x)
                          PYSOLVE_LAMBDA { return widen<T>(w) * (here - widen<T>(x)); };
    D v = widen<T>(how.get(b + k)) - flow(c.x0, how.get(r.xm + k)) - flow(c.x1, how.get(r.xp + k)) -
          flow(c.z0, how.get_before(r.c + k, k, left)) - flow(c.z1, how.get_next(r.c + k, right)) -
          widen<T>(c.s) * here;
    if (s.has_y) v -= flow(c.y0, how.get(r.ym + k)) + flow(c.y1, how.get(r.yp + k));
    sum += v * v;
  };
  if constexpr (descends)
    descend<Faces>(s.faces.row_at(s.A, at.i, at.j), n, at.begin, at.end, add);
  else
    ascend<Faces>(s.faces.row_at(s.A, at.i, at.j), n, at.begin, at.end, add);
  store(squares, sum);
}

}  // namespace pysolve::cpu
