// Weights of the faces of a row of cells (along the last axis) as sor and ssor_cg take them, eight cells at a time, and
// the ways along a row.
#pragma once
#include <algorithm>
#include <memory>

#include "sor_scan.hpp"
#include "stencil_row.hpp"

namespace pysolve::cpu {

// ---- weights of eight cells: their six faces, shift s, diagonal d (1 in a decoupled cell, as is s), g = omega / d
// ----
template <class T>
struct eight_cells {
  lanes<T> x0, x1, y0, y1, z0, z1, s, d, g;
  scan_factors<T> forward, backward;  // of g z0 and of g z1
  // Member by member: what is not used is not read, and the rest stays in registers.
  PYSOLVE_INLINE eight_cells copy() const { return {x0, x1, y0, y1, z0, z1, s, d, g, forward, backward}; }
  PYSOLVE_INLINE void finish(T omega) {
    const lanes<T> faces = ((x0 + x1) + (y0 + y1)) + (z0 + z1);
    const lanes<T> sum = faces + s, one = lanes<T>{} + T(1);
    s = sum == 0 ? one : s;
    d = sum == 0 ? one : sum;
    g = omega / d;
  }
};

// Which faces of a row, or of an end of it, weigh nothing for lying on a Neumann side (constant weights).
template <class T>
PYSOLVE_INLINE bool is_closed(const grid<T>& A, int axis, index_t at, bool high) {
  return high ? at == A.n[axis] - 1 && A.high[axis] == side::neumann
              : at == 0 && A.low[axis] == side::neumann;
}
template <class T>
PYSOLVE_INLINE void set_constants(const grid<T>& A, index_t i, index_t j, eight_cells<T>& c) {
  const lanes<T> x = lanes<T>{} + A.constant[0], y = lanes<T>{} + A.constant[1], none = {};
  c.x0 = is_closed(A, 0, i, false) ? none : x;
  c.x1 = is_closed(A, 0, i, true) ? none : x;
  c.y0 = is_closed(A, 1, j, false) ? none : y;
  c.y1 = is_closed(A, 1, j, true) ? none : y;
  c.z0 = c.z1 = lanes<T>{} + A.constant[2];
  c.s = lanes<T>{} + A.shift0;
}
template <class T>
PYSOLVE_INLINE void close_ends(const grid<T>& A, index_t k, eight_cells<T>& c) {
  const index_t last = A.n[2] - 1;
  if (k == 0 && A.low[2] == side::neumann) c.z0[0] = 0;
  if (k + n_lanes > last && A.high[2] == side::neumann) c.z1[last - k] = 0;
}

// Constant weights and shift: rows differ by the sides that they touch only, and eight cells by whether they are the
// first, the last or others. All that is made once for a run.
template <class T>
class same_in_all_rows {
  struct row_kind {
    eight_cells<T> first, others, last;
    bool known = false;
  };
  std::unique_ptr<row_kind[]> kinds_{new row_kind[16]};
  static int kind_of(const grid<T>& A, index_t i, index_t j) {
    return is_closed(A, 0, i, false) | is_closed(A, 0, i, true) << 1 | is_closed(A, 1, j, false) << 2 |
           is_closed(A, 1, j, true) << 3;
  }
  static eight_cells<T> made(const grid<T>& A, T omega, index_t i, index_t j, index_t k) {
    eight_cells<T> c;
    set_constants(A, i, j, c);
    close_ends(A, k, c);
    c.finish(omega);
    c.forward = forward_factors<T>(c.g * c.z0);
    c.backward = backward_factors<T>(c.g * c.z1);
    return c;
  }

 public:
  static constexpr bool is_constant = true;
  same_in_all_rows(const grid<T>& A, T omega) {
    const index_t last = (A.n[2] - 1) / n_lanes * n_lanes;
    for (index_t i : {index_t(0), std::min(index_t(1), A.n[0] - 1), A.n[0] - 1})
      for (index_t j : {index_t(0), std::min(index_t(1), A.n[1] - 1), A.n[1] - 1}) {
        row_kind& kind = kinds_[kind_of(A, i, j)];
        if (kind.known) continue;
        kind = {made(A, omega, i, j, 0), made(A, omega, i, j, -n_lanes), made(A, omega, i, j, last), true};
      }
  }
  // step(eight_cells, k, how to read and write) for eight cells after the other.
  struct row {
    const row_kind& kind;
    PYSOLVE_INLINE const eight_cells<T>& first() const { return kind.first; }
    PYSOLVE_INLINE const eight_cells<T>& others() const { return kind.others; }
    template <class How>
    PYSOLVE_INLINE const eight_cells<T>& last(index_t, How) const {
      return kind.last;
    }
  };
  PYSOLVE_INLINE row row_at(const grid<T>& A, index_t i, index_t j) const {
    return {kinds_[kind_of(A, i, j)]};
  }
};

// Weights or shift that differ from cell to cell: made where they are needed.
template <class T>
class by_cells {
  T omega_;

 public:
  static constexpr bool is_constant = false;
  by_cells(const grid<T>&, T omega) : omega_(omega) {}
  struct row {
    const grid<T>& A;
    index_t i, j;
    T omega;
    const T *x0, *x1, *y0, *y1, *z, *s;
    template <class How>
    PYSOLVE_INLINE eight_cells<T> at(index_t k, How how) const {
      eight_cells<T> c;
      if (x0) {
        c.x0 = how.get(x0 + k), c.x1 = how.get(x1 + k);
        c.y0 = y0 ? how.get(y0 + k) : lanes<T>{}, c.y1 = y0 ? how.get(y1 + k) : lanes<T>{};
        c.z0 = how.get(z + k), c.z1 = how.get(z + k + 1);
        c.s = lanes<T>{} + A.shift0;
      } else {
        set_constants(A, i, j, c);
        close_ends(A, k, c);
      }
      if (s) c.s = how.get(s + k);
      c.finish(omega);
      c.forward = forward_factors<T>(c.g * c.z0);
      c.backward = backward_factors<T>(c.g * c.z1);
      return c;
    }
    PYSOLVE_INLINE eight_cells<T> first() const { return at(0, inside<T>{}); }
    template <class How>
    PYSOLVE_INLINE eight_cells<T> last(index_t k, How how) const {
      return at(k, how);
    }
  };
  PYSOLVE_INLINE row row_at(const grid<T>& A, index_t i, index_t j) const {
    const index_t n1 = A.n[1], n2 = A.n[2], at = i * n1 + j;
    row r{A,       i,       j,       omega_,  nullptr,
          nullptr, nullptr, nullptr, nullptr, A.shift ? A.shift + at * n2 : nullptr};
    if (!A.weights[0]) return r;
    r.x0 = A.weights[0] + at * n2, r.x1 = r.x0 + n1 * n2;
    if (A.weights[1]) r.y0 = A.weights[1] + (i * (n1 + 1) + j) * n2, r.y1 = r.y0 + n2;
    r.z = A.weights[2] + at * (n2 + 1);
    return r;
  }
};

// Asks for memory that nobody has read before: the same cells of the row after, or a page ahead where rows are short.
template <class T>
PYSOLVE_INLINE index_t ahead_of(index_t n) {
  return std::max(n, prefetch_bytes / index_t(sizeof(T)));
}
PYSOLVE_INLINE void ask_for(const void* at) { __builtin_prefetch(at); }

// step(eight_cells, k, how to read and write) along cells [begin, end) of a row of n, begin and end multiples of
// eight or n; ascending or descending.
template <class Faces, class Row, class Step>
PYSOLVE_INLINE void ascend(const Row& row, index_t n, index_t begin, index_t end, Step&& step) {
  using T = std::remove_cvref_t<decltype(row.first().g[0])>;
  const index_t last = (n - 1) / n_lanes * n_lanes, stop = std::min(end, last);
  index_t k = begin;
  if (k == 0 && k < stop) step(row.first(), k, inside<T>{}), k += n_lanes;
  if constexpr (Faces::is_constant) {
    const eight_cells<T> others = row.others().copy();
    for (; k < stop; k += n_lanes) step(others, k, inside<T>{});
  } else {
    for (; k < stop; k += n_lanes) step(row.at(k, inside<T>{}), k, inside<T>{});
  }
  if (k >= end) return;
  if (n - k == n_lanes)
    step(row.last(k, last_eight<T>{}), k, last_eight<T>{});
  else
    step(row.last(k, last_few<T>{n - k, k > 0}), k, last_few<T>{n - k, k > 0});
}
template <class Faces, class Row, class Step>
PYSOLVE_INLINE void descend(const Row& row, index_t n, index_t begin, index_t end, Step&& step) {
  using T = std::remove_cvref_t<decltype(row.first().g[0])>;
  index_t k = (end - 1) / n_lanes * n_lanes;
  if (k < begin) return;
  if (end == n) {
    if (n - k == n_lanes)
      step(row.last(k, last_eight<T>{}), k, last_eight<T>{});
    else
      step(row.last(k, last_few<T>{n - k, k > 0}), k, last_few<T>{n - k, k > 0});
    k -= n_lanes;
  }
  const index_t stop = std::max(begin, index_t(1));
  if constexpr (Faces::is_constant) {
    const eight_cells<T> others = row.others().copy();
    for (; k >= stop; k -= n_lanes) step(others, k, inside<T>{});
  } else {
    for (; k >= stop; k -= n_lanes) step(row.at(k, inside<T>{}), k, inside<T>{});
  }
  if (k == 0 && begin == 0) step(row.first(), k, inside<T>{});
}

// Whether the terms along axis 1 are there at all.
template <class T>
PYSOLVE_INLINE bool has_axis_1(const grid<T>& A) {
  return A.weights[0] ? A.weights[1] != nullptr
                      : A.n[1] > 1 || A.low[1] == side::dirichlet || A.high[1] == side::dirichlet;
}

// f.template operator()<Faces>() for the kind of weights that A has.
template <class T, class F>
auto with_sor_faces(const grid<T>& A, F&& f) {
  if (A.weights[0] || A.shift) return f.template operator()<by_cells<T>>();
  return f.template operator()<same_in_all_rows<T>>();
}

}  // namespace pysolve::cpu
