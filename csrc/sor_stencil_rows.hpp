// What a sweep does to one row of a stencil operator: relaxes it forward, backward or in one colour, or sums the
// squares of its residual.
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

// sum_f w_f x_f + b over the faces of eight cells but the one that the scan is along.
template <class T, class How>
PYSOLVE_INLINE lanes<T> around(const eight_cells<T>& c, const row_of<T>& r, const T* b, bool has_y, index_t k,
                               How how) {
  lanes<T> sum = how.get(b + k) + c.x0 * how.get(r.xm + k) + c.x1 * how.get(r.xp + k);
  if (has_y) sum += c.y0 * how.get(r.ym + k) + c.y1 * how.get(r.yp + k);
  return sum;
}

// `leads`: no other stage has come by before, and memory is asked for ahead.
template <class Faces, class T>
PYSOLVE_CLONES void relax_forward(const sor_system<Faces, T>& s, row_piece at, bool leads) {
  const index_t n = s.A.n[2];
  const row_of<T> r = row_at(s.A, static_cast<const T*>(s.x), at.i, at.j);
  T* x = const_cast<T*>(r.c);
  const T* b = s.b + (r.c - s.x);
  const bool wraps = s.A.low[2] == side::periodic, has_y = s.has_y;
  const T keep = 1 - s.omega;
  const index_t ahead = ahead_of<T>(n);
  lanes<T> before = lanes<T>{} + (at.begin > 0 ? x[at.begin - 1] : wraps ? r.left : T(0));
  ascend<Faces>(s.faces.row_at(s.A, at.i, at.j), n, at.begin, at.end,
                [&](const eight_cells<T>& c, index_t k, auto how) PYSOLVE_LAMBDA {
                  if (leads) ask_for(r.xp + k + ahead), ask_for(b + k + ahead);
                  const lanes<T> sum = around(c, r, b, has_y, k, how) + c.z1 * how.get_next(x + k, T(0));
                  lanes<T> v = scan_forward<T>(c.forward, keep * how.get(x + k) + c.g * sum, before);
                  before = last_of(v);
                  if constexpr (how.is_last)
                    if (wraps) v[how.count - 1] += (c.g * c.z1)[how.count - 1] * (k == 0 ? v[0] : x[0]);
                  how.put(x + k, v);
                });
}

template <class Faces, class T>
PYSOLVE_CLONES void relax_backward(const sor_system<Faces, T>& s, row_piece at) {
  const index_t n = s.A.n[2];
  const row_of<T> r = row_at(s.A, static_cast<const T*>(s.x), at.i, at.j);
  T* x = const_cast<T*>(r.c);
  const T* b = s.b + (r.c - s.x);
  const bool wraps = s.A.low[2] == side::periodic, has_y = s.has_y;
  const T keep = 1 - s.omega;
  // What lies after the row is added to its last cell, which need not be the last of eight.
  lanes<T> before = lanes<T>{} + (at.end < n ? x[at.end] : T(0));
  const T right = wraps ? r.right : T(0);
  descend<Faces>(s.faces.row_at(s.A, at.i, at.j), n, at.begin, at.end,
                 [&](const eight_cells<T>& c, index_t k, auto how) PYSOLVE_LAMBDA {
                   lanes<T> sum = around(c, r, b, has_y, k, how) + c.z0 * how.get_before(x + k, k, T(0));
                   if constexpr (how.is_last) sum[how.count - 1] += c.z1[how.count - 1] * right;
                   lanes<T> v = scan_backward<T>(c.backward, keep * how.get(x + k) + c.g * sum, before);
                   before = first_of(v);
                   if (k == 0 && wraps) {
                     T last = x[n - 1];
                     if constexpr (how.is_last) last = v[how.count - 1];
                     v[0] += (c.g * c.z0)[0] * last;
                   }
                   how.put(x + k, v);
                 });
}

// Cells with (i + j + k) % 2 == colour.
template <class Faces, class T>
PYSOLVE_CLONES void relax_colour(const sor_system<Faces, T>& s, row_piece at, int colour, bool leads) {
  const index_t n = s.A.n[2];
  const row_of<T> r = row_at(s.A, static_cast<const T*>(s.x), at.i, at.j);
  T* x = const_cast<T*>(r.c);
  const T* b = s.b + (r.c - s.x);
  const bool wraps = s.A.low[2] == side::periodic, has_y = s.has_y;
  const T keep = 1 - s.omega;
  const index_t ahead = ahead_of<T>(n);
  const T left = wraps ? r.left : T(0), right = wraps ? r.right : T(0);
  const bool even = (at.i + at.j + colour) % 2 == 0;
  lanes<T> previous =
      lanes<T>{} + (at.begin > 0 ? x[at.begin - 1] : left);  // not read again: it was just written
  ascend<Faces>(s.faces.row_at(s.A, at.i, at.j), n, at.begin, at.end,
                [&](const eight_cells<T>& c, index_t k, auto how) PYSOLVE_LAMBDA {
                  if (leads) ask_for(r.xp + k + ahead), ask_for(b + k + ahead);
                  const lanes<T> here = how.get(x + k);
                  const lanes<T> before = up1(previous, here), after = how.get_next(x + k, right);
                  previous = here;
                  const lanes<T> sum = around(c, r, b, has_y, k, how) + c.z0 * before + c.z1 * after;
                  const lanes<T> v = keep * here + c.g * sum;
                  how.put(x + k, even ? __builtin_shufflevector(v, here, 0, 9, 2, 11, 4, 13, 6, 15)
                                      : __builtin_shufflevector(here, v, 0, 9, 2, 11, 4, 13, 6, 15));
                });
}

// Adds the squares of b - A x, in double, to eight sums, or puts them there (`starts`). In differences, as
// stencil_residual has it. The order of the sum is that of the pass, so that it is the same wherever the row is cut.
template <bool descends, class Faces, class T>
PYSOLVE_CLONES void add_residual(const sor_system<Faces, T>& s, row_piece at, bool starts, double* squares) {
  const index_t n = s.A.n[2];
  const row_of<T> r = row_at(s.A, static_cast<const T*>(s.x), at.i, at.j);
  const T* b = s.b + (r.c - s.x);
  const bool wraps = s.A.low[2] == side::periodic, has_y = s.has_y;
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
    if (has_y) v -= flow(c.y0, how.get(r.ym + k)) + flow(c.y1, how.get(r.yp + k));
    sum += v * v;
  };
  if constexpr (descends)
    descend<Faces>(s.faces.row_at(s.A, at.i, at.j), n, at.begin, at.end, add);
  else
    ascend<Faces>(s.faces.row_at(s.A, at.i, at.j), n, at.begin, at.end, add);
  store(squares, sum);
}

}  // namespace pysolve::cpu
