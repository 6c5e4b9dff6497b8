// The CUDA kernel of a red-black sweep over a 2-D box (n[1] == 1): both colours in one pass.
//
//   3 v bytes a cell and sweep, with the norm of the iterate that it starts from (v = sizeof(T)); arrays of weights 2 v
//   more, a shift array v more; 60 flops a cell with the norm, 25 without one
//
// The limit is the memory's bandwidth: x and b are read once and the new x is written once, to another place, since
// warps that are ahead must not change what others have yet to read. Two passes of one colour each would move 6 v: a
// sector of 32 bytes has cells of both colours.
//
// A warp walks down a strip of columns, a vector of 16 bytes of each row for each thread. It holds three rows of the
// old x and three rows in which the first colour is new; the neighbours to the left and right come from the neighbour
// threads. Row by row it relaxes the first colour in row i, and then the second in row i - 1, all around which is new.
// The rows that come next are on their way meanwhile. What is near the edge of a strip is worked out by both: a thread on
// either side of 30, and two rows above and below those of a warp. All of this comes out of the caches, where the
// neighbours have it. There are about as many warps as the device holds at once (24 on each of its multiprocessors,
// at 80 registers a thread), so that all end together.
#pragma once
#include <cstdint>
#include <initializer_list>

#include "sor_body.hpp"
#include "sor_course.hpp"

namespace pysolve::PYSOLVE_BACKEND {

constexpr index_t warps_at_once = 132 * 24;  // of a launch: those of an H100 or H200

// What a cell's row of A holds: its faces along the two axes and its shift, with faces that lead nowhere.
template <class T>
struct flat_cell {
  T x0, x1, z0, z1, s;
  PYSOLVE_BODY T diagonal() const { return (x0 + x1) + (z0 + z1) + s; }
  // A x there in S, in differences; the identity in a decoupled cell, where d is 0.
  template <class S>
  PYSOLVE_BODY S times(T d, S c, S xm, S xp, S zm, S zp) const {
    if (d == 0) return c;
    return S(x0) * (c - xm) + S(x1) * (c - xp) + S(z0) * (c - zm) + S(z1) * (c - zp) + S(s) * c;
  }
};

// The cells of row i of a 2-D box, and omega / d in them.
template <class Weights, class T>
struct flat_row;
template <class T>
struct flat_row<constant_weights<T>, T> {
  T x0, x1, z, s0, d_inside, factor_inside;
  const T* s;
  bool closed_low, closed_high;
  index_t last;
  PYSOLVE_BODY flat_row(const grid<T>& A, index_t i, T omega)
      : x0(i > 0 || A.low[0] != side::neumann ? A.constant[0] : T(0)),
        x1(i < A.n[0] - 1 || A.high[0] != side::neumann ? A.constant[0] : T(0)),
        z(A.constant[2]),
        s0(A.shift0),
        s(A.shift ? A.shift + i * A.n[2] : nullptr),
        closed_low(A.low[2] == side::neumann),
        closed_high(A.high[2] == side::neumann),
        last(A.n[2] - 1) {
    d_inside = (A.constant[0] + A.constant[0]) + (z + z) + beside(A) + s0;
    factor_inside = omega / d_inside;
  }
  // The faces along the axis of one cell lead beyond the box.
  PYSOLVE_BODY static T beside(const grid<T>& A) { return open_faces(A, 1, 0) * A.constant[1]; }
  PYSOLVE_BODY flat_cell<T> cell(const grid<T>& A, index_t k) const {
    return {x0, x1, k == 0 && closed_low ? T(0) : z, k == last && closed_high ? T(0) : z,
            (s ? s[k] : s0) + beside(A)};
  }
  PYSOLVE_BODY T factor(T omega, T d) const {
    return d == d_inside ? factor_inside : omega / (d == 0 ? T(1) : d);
  }
};
template <class T>
struct flat_row<face_weights<T>, T> {
  face_weights<T> w;
  PYSOLVE_BODY flat_row(const grid<T>& A, index_t i, T) : w(A, i, 0) {}
  PYSOLVE_BODY flat_cell<T> cell(const grid<T>&, index_t k) const {
    T s = w.s ? w.s[k] : w.s0;
    if (w.y0) s += w.y0[k] + w.y1[k];
    return {w.x0[k], w.x1[k], w.z[k], w.z[k + 1], s};
  }
  PYSOLVE_BODY T factor(T omega, T d) const { return omega / (d == 0 ? T(1) : d); }
};

// The cells of one row that a thread holds.
template <class T>
struct alignas(16) flat_vector {
  static constexpr int count = 16 / int(sizeof(T));
  T at[count];
};

// How a 2-D box is cut: strips of columns, 30 vectors each, in segments of rows, an even number each.
template <class T>
struct flat_strips {
  static constexpr index_t columns = 30 * flat_vector<T>::count;
  index_t n_strips, rows, n_tasks;
  PYSOLVE_BODY explicit flat_strips(const index_t n[3]) : n_strips((n[2] + columns - 1) / columns) {
    rows = (n[0] * n_strips + warps_at_once - 1) / warps_at_once;
    rows = rows < 8 ? 8 : rows + (rows & 1);
    n_tasks = n_strips * ((n[0] + rows - 1) / rows);
  }
};

PYSOLVE_BODY index_t wrapped(index_t k, index_t n) {
  k %= n;
  return k < 0 ? k + n : k;
}

// fresh = a sweep from old, first the cells of `colour`, then the others; where `asks` is set it returns its share of
// |b - A old|^2.
template <class Weights, class T, bool asks>
struct red_black_body {
  using result = double;
  using vector = flat_vector<T>;
  static constexpr int count = vector::count;
  grid<T> A;
  const T *b, *old;
  T *fresh;
  T omega;
  int colour;
  bool whole;  // every row of every array starts at a multiple of 16 bytes
  const sor_course* course;

  PYSOLVE_BODY bool skip() const { return ended(course); }
  PYSOLVE_BODY index_t n_blocks() const {
    return blocks_for(flat_strips<T>(A.n).n_tasks, block_threads / warp_threads);
  }
  template <class Place>
  PYSOLVE_AT_PLACE double operator()(const Place& at) const {
    if (skip()) return 0;
    const flat_strips<T> cut(A.n);
    const index_t warps = at.block_threads() / warp_threads;
    double rr = 0;
    // All threads of a block go round equally often, as shuffles require.
    for (index_t first = at.block() * warps; first < cut.n_tasks; first += at.n_blocks() * warps) {
      const index_t task = first + at.thread() / warp_threads;
      rr += walk(at, cut, task < cut.n_tasks ? task : -1);
    }
    return rr;
  }

 private:
  // A thread's columns, and its rows: relaxed anew from row begin - 2 on, to be kept from begin to end.
  struct place_of_walk {
    index_t column, begin, end;  // of the first cell, wrapped where the box is periodic
    int lane;
    bool is_there[count], is_own[count];  // own: what it keeps, each cell by one thread
  };
  // Old rows i - 1, i, i + 1; rows i - 2, i - 1 with the first colour relaxed; b in rows i - 1, i.
  struct window {
    vector old_before, old_here, old_after, half_before, half_here, b_before, b_here;
  };

  PYSOLVE_BODY place_of_walk place(int lane, const flat_strips<T>& cut, index_t task) const {
    place_of_walk p;
    const index_t strip = task < 0 ? 0 : task % cut.n_strips, segment = task < 0 ? 0 : task / cut.n_strips;
    const bool periodic = A.low[2] == side::periodic;
    const index_t k = strip * flat_strips<T>::columns + (lane - 1) * count;
    p.lane = lane;
    p.column = periodic ? wrapped(k, A.n[2]) : k;
    for (int e = 0; e < count; ++e) {
      const bool inside = task >= 0 && k + e >= 0 && k + e < A.n[2];
      p.is_there[e] = inside || (task >= 0 && periodic);
      p.is_own[e] = inside && lane > 0 && lane < warp_threads - 1;
    }
    p.begin = segment * cut.rows;
    p.end = p.begin + cut.rows < A.n[0] ? p.begin + cut.rows : A.n[0];
    if (task < 0) p.end = p.begin;
    return p;
  }
  // Where row i is in memory: -1 beyond a side.
  PYSOLVE_BODY index_t row_at(index_t i) const {
    if (i >= 0 && i < A.n[0]) return i;
    return A.low[0] == side::periodic ? wrapped(i, A.n[0]) : -1;
  }
  PYSOLVE_BODY index_t column_of(const place_of_walk& p, int e) const {
    index_t k = p.column + e;
    if (A.low[2] == side::periodic)
      while (k >= A.n[2]) k -= A.n[2];
    return k;
  }
  // Zeros where there is nothing, and in rows that are further than `margin` from those that are kept.
  PYSOLVE_BODY vector load(const T* x, index_t i, const place_of_walk& p, index_t margin) const {
    vector v = {};
    const index_t row = i < p.begin - margin || i >= p.end + margin ? -1 : row_at(i);
    if (row < 0) return v;
    const T* const from = x + row * A.n[2];
    if (whole) {
      if (p.is_there[0]) v = *reinterpret_cast<const vector*>(from + p.column);
    } else {
      for (int e = 0; e < count; ++e)
        if (p.is_there[e]) v.at[e] = from[column_of(p, e)];
    }
    return v;
  }
  PYSOLVE_BODY void store(index_t i, const place_of_walk& p, const vector& v) const {
    T* const to = fresh + i * A.n[2];
    if (whole) {
      if (p.is_own[0]) *reinterpret_cast<vector*>(to + p.column) = v;
    } else {
      for (int e = 0; e < count; ++e)
        if (p.is_own[e]) to[column_of(p, e)] = v.at[e];
    }
  }

  // Relaxes the cells odd, odd + 2 ... of row i in `out`, which is `here` so far.
  template <int odd>
  PYSOLVE_BODY void relax(index_t i, const place_of_walk& p, const vector& right_side, const vector& before,
                          const vector& here, const vector& after, T left, T right, vector& out) const {
    const index_t row = i < p.begin - 1 || i > p.end ? -1 : row_at(i);
    if (row < 0) return;
    const flat_row<Weights, T> cells(A, row, omega);
    for (int e = odd; e < count; e += 2) {
      if (!p.is_there[e]) continue;
      const flat_cell<T> c = cells.cell(A, column_of(p, e));
      const T d = c.diagonal(), zm = e > 0 ? here.at[e > 0 ? e - 1 : 0] : left,
              zp = e + 1 < count ? here.at[e + 1 < count ? e + 1 : 0] : right;
      const T product = c.template times<T>(d, here.at[e], before.at[e], after.at[e], zm, zp);
      out.at[e] = here.at[e] + cells.factor(omega, d) * (right_side.at[e] - product);
    }
  }
  // The squares of b - A old in row i.
  PYSOLVE_BODY double squares(index_t i, const place_of_walk& p, const window& w, T left, T right) const {
    if (i < p.begin || i >= p.end) return 0;
    const flat_row<Weights, T> cells(A, i, omega);
    double rr = 0;
    for (int e = 0; e < count; ++e) {
      if (!p.is_own[e]) continue;
      const flat_cell<T> c = cells.cell(A, column_of(p, e));
      const double zm = double(e > 0 ? w.old_here.at[e > 0 ? e - 1 : 0] : left),
                   zp = double(e + 1 < count ? w.old_here.at[e + 1 < count ? e + 1 : 0] : right);
      rr += squared(double(w.b_here.at[e]) -
                    c.template times<double>(c.diagonal(), double(w.old_here.at[e]),
                                             double(w.old_before.at[e]), double(w.old_after.at[e]), zm, zp));
    }
    return rr;
  }
  // The first colour in row i, the second in row i - 1: the cells odd, odd + 2 ... of both. Moves the window on.
  template <int odd, class Place>
  PYSOLVE_AT_PLACE double step(const Place& at, index_t i, const place_of_walk& p, window& w) const {
    const vector next_old = load(old, i + 2, p, 2), next_b = load(b, i + 1, p, 1);
    T left = T(0), right = T(0);
    if (asks || odd == 0) left = at.shuffle(w.old_here.at[count - 1], p.lane - 1);
    if (asks || odd == 1) right = at.shuffle(w.old_here.at[0], p.lane + 1);
    const double rr = asks ? squares(i, p, w, left, right) : 0;
    vector half_after = w.old_here;
    relax<odd>(i, p, w.b_here, w.old_before, w.old_here, w.old_after, left, right, half_after);
    if (odd == 0)
      left = at.shuffle(w.half_here.at[count - 1], p.lane - 1);
    else
      right = at.shuffle(w.half_here.at[0], p.lane + 1);
    vector out = w.half_here;
    relax<odd>(i - 1, p, w.b_before, w.half_before, w.half_here, half_after, left, right, out);
    if (i - 1 >= p.begin && i - 1 < p.end) store(i - 1, p, out);
    w = {w.old_here, w.old_after, next_old, w.half_here, half_after, w.b_here, next_b};
    return rr;
  }
  template <class Place>
  PYSOLVE_AT_PLACE double walk(const Place& at, const flat_strips<T>& cut, index_t task) const {
    const place_of_walk p = place(at.thread() % warp_threads, cut, task);
    // Columns are even, and the first of them is of the first colour in the row that the walk starts at.
    index_t i = p.begin - 1;
    const index_t pairs = cut.rows / 2 + (colour == 0 ? 2 : 1);
    if (colour == 0) --i;
    window w = {load(old, i - 1, p, 2), load(old, i, p, 2), load(old, i + 1, p, 2), {}, {}, {}, load(b, i, p, 1)};
    double rr = 0;
    for (index_t pair = 0; pair < pairs; ++pair, i += 2) {
      rr += step<0>(at, i, p, w);
      rr += step<1>(at, i + 1, p, w);
    }
    return rr;
  }
};

// Whether the kernel's vectors begin at multiples of their size in every row.
template <class T>
bool has_whole_vectors(const grid<T>& A, std::initializer_list<const T*> arrays) {
  bool whole = A.n[2] % flat_vector<T>::count == 0;
  for (const T* array : arrays) whole = whole && reinterpret_cast<std::uintptr_t>(array) % 16 == 0;
  return whole;
}

}  // namespace pysolve::PYSOLVE_BACKEND
