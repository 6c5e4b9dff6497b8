// The CUDA kernel of a red-black sweep over a 2-D box (n[1] == 1): both colours in one pass.
//
//   3 v bytes a cell and sweep, with the norm of the iterate that it starts from (v = sizeof(T)); arrays of weights 2 v
//   more, a shift array v more; 50 flops a cell with the norm, 25 without one
//
// The limit is the memory's bandwidth: x and b are read once and the new x is written once, to another place, since
// warps that are ahead must not change what others have yet to read. Two passes of one colour each would move 6 v: a
// sector of 32 bytes has cells of both colours.
//
// A warp walks down a strip of columns, 16 bytes of each row for each thread, which are read and written at once. Row by
// row it relaxes the first colour in row i and then the second in row i - 1, all around which is new by then; the
// values beside come from the neighbour threads. The two rows that come next are on their way meanwhile: 2 KB for each of
// 16 warps a multiprocessor, 4 MB in all. What is near the edge of
// a strip is worked out by both: one thread on either side of 30, and two rows above and below those of a warp; these
// values come out of the caches, where the neighbours have them. Where rows are long there are about as many warps as an
// H100 or H200 holds at once, so that all end together.
#pragma once
#include "sor_course.hpp"
#include "sor_flat_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// fresh = a sweep from old, first the cells of `colour`, then the others; where `asks` is set it returns its share of
// |b - A old|^2.
template <class Weights, class T, bool asks>
struct red_black_body {
  using result = double;
  static constexpr int blocks_at_once = 2;  // with no more registers than it likes something spills
  using vector = flat_vector<T>;
  using colour_values = one_colour<T>;
  static constexpr int count = vector::count, half = vector::half;
  grid<T> A;
  const T *b, *old;
  T* fresh;
  flat_cells<Weights, T> cells;
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
  // A thread's columns, and its rows: relaxed anew from begin - 1 to end, to be kept from begin to end - 1.
  struct place_of_walk {
    int column, begin, end, lane;  // column of the first cell, wrapped where the box is periodic
    unsigned is_there, is_own;     // a bit for each cell; own: what it keeps, each cell by one thread
  };
  // What is held of the rows: `new_` once the first colour is relaxed.
  struct window {
    colour_values new_first_before_last;                          // row i - 2
    colour_values second_before, new_first_before, first_before;  // row i - 1
    colour_values first, second, first_after, second_after;       // rows i and i + 1
    colour_values b_second_before, b_first, b_second;             // rows i - 1 and i
    vector coming, b_coming;                                      // rows i + 2 and i + 1
  };

  PYSOLVE_BODY place_of_walk place(int lane, const flat_strips<T>& cut, index_t task) const {
    place_of_walk p{};
    p.lane = lane;
    if (task < 0) return p;
    const int n = int(A.n[2]), k = int(task % cut.n_strips) * flat_strips<T>::columns + (lane - 1) * count;
    const bool periodic = A.low[2] == side::periodic;
    p.column = periodic ? wrapped(k, n) : k;
    for (int e = 0; e < count; ++e) {
      const bool inside = k + e >= 0 && k + e < n;
      if (inside || periodic) p.is_there |= 1u << e;
      if (inside && lane > 0 && lane < warp_threads - 1) p.is_own |= 1u << e;
    }
    p.begin = int(task / cut.n_strips * cut.rows);
    p.end = int(p.begin + cut.rows < A.n[0] ? p.begin + cut.rows : A.n[0]);
    return p;
  }
  // Where row i is in memory: -1 beyond a side, and further than `margin` from the rows that are kept.
  PYSOLVE_BODY int row_at(int i, const place_of_walk& p, int margin) const {
    if (i < p.begin - margin || i >= p.end + margin) return -1;
    if (i >= 0 && i < A.n[0]) return i;
    return A.low[0] == side::periodic ? wrapped(i, int(A.n[0])) : -1;
  }
  PYSOLVE_BODY int column_of(const place_of_walk& p, int e) const {
    int k = p.column + e;
    if (A.low[2] == side::periodic)
      while (k >= A.n[2]) k -= int(A.n[2]);
    return k;
  }
  // Zeros where there is nothing.
  PYSOLVE_BODY vector load(const T* x, int i, const place_of_walk& p, int margin) const {
    vector v = {};
    const int row = row_at(i, p, margin);
    if (row < 0) return v;
    const T* const from = x + row * A.n[2];
    if (whole) {
      if (p.is_there) v = *reinterpret_cast<const vector*>(from + p.column);
    } else {
      for (int e = 0; e < count; ++e)
        if (p.is_there >> e & 1) v.at[e] = from[column_of(p, e)];
    }
    return v;
  }
  PYSOLVE_BODY void store(int i, const place_of_walk& p, const vector& v) const {
    T* const to = fresh + i * A.n[2];
    if (whole) {
      if (p.is_own) *reinterpret_cast<vector*>(to + p.column) = v;
    } else {
      for (int e = 0; e < count; ++e)
        if (p.is_own >> e & 1) to[column_of(p, e)] = v.at[e];
    }
  }
  // Cells e = odd, odd + 2 ... of a row.
  template <int odd>
  PYSOLVE_BODY static colour_values every_other(const vector& v) {
    colour_values c;
    for (int m = 0; m < half; ++m) c.at[m] = v.at[2 * m + odd];
    return c;
  }
  // What lies beyond the thread's own cells to the one side where cells e = odd, odd + 2 ... have a neighbour there.
  template <int odd, class Place>
  PYSOLVE_AT_PLACE static T beyond(const Place& at, int lane, const colour_values& others) {
    return at.shuffle(others.at[odd ? 0 : half - 1], (odd ? lane + 1 : lane - 1) & (warp_threads - 1));
  }
  // visit(m, the row of A there, the values left and right) for the cells e = odd + 2 m of row i that there are.
  template <int odd, class Visit>
  PYSOLVE_BODY void over_colour(int i, const place_of_walk& p, const colour_values& beside, T far,
                                Visit visit) const {
    const int row = row_at(i, p, 1);
    if (row < 0) return;
    for (int m = 0; m < half; ++m) {
      if (!(p.is_there >> (2 * m + odd) & 1)) continue;
      const T left = odd ? beside.at[m] : m > 0 ? beside.at[m > 0 ? m - 1 : 0] : far;
      const T right = !odd ? beside.at[m] : m + 1 < half ? beside.at[m + 1 < half ? m + 1 : 0] : far;
      visit(m, cells.at(A, row, column_of(p, 2 * m + odd)), left, right);
    }
  }
  // Relaxes cells e = odd, odd + 2 ... of row i; `above`, `below` and `beside` are around them. Where `counts` is set it
  // returns the squares of what b - A x was in those of them that the thread keeps.
  template <int odd, bool counts>
  PYSOLVE_BODY double relax(int i, const place_of_walk& p, const colour_values& right_side,
                            const colour_values& above, const colour_values& below,
                            const colour_values& beside, T far, colour_values& here) const {
    double rr = 0;
    over_colour<odd>(i, p, beside, far, [&](int m, const flat_cell<T>& c, T left, T right) {
      if (counts) rr += counted<odd>(i, p, m, c, right_side, above, below, left, right, here);
      here.at[m] += c.factor * c.rest(right_side.at[m], here.at[m], above.at[m], below.at[m], left, right);
    });
    return rr;
  }
  template <int odd>
  PYSOLVE_BODY double counted(int i, const place_of_walk& p, int m, const flat_cell<T>& c,
                              const colour_values& right_side, const colour_values& above,
                              const colour_values& below, T left, T right, const colour_values& here) const {
    if (!(p.is_own >> (2 * m + odd) & 1) || i < p.begin || i >= p.end) return 0;
    return squared(c.rest(double(right_side.at[m]), double(here.at[m]), double(above.at[m]),
                          double(below.at[m]), double(left), double(right)));
  }
  // The first colour in row i, where it is in cells odd, odd + 2 ..., and the second in row i - 1. Moves the window on.
  template <int odd, class Place>
  PYSOLVE_AT_PLACE double step(const Place& at, int i, const place_of_walk& p, window& w) const {
    const vector next = load(old, i + 3, p, 2), next_b = load(b, i + 2, p, 1);
    double rr = 0;
    if (asks) {
      const T far = beyond<1 - odd>(at, p.lane, w.first);
      over_colour<1 - odd>(i, p, w.first, far, [&](int m, const flat_cell<T>& c, T left, T right) {
        rr += counted<1 - odd>(i, p, m, c, w.b_second, w.first_before, w.first_after, left, right, w.second);
      });
    }
    colour_values new_first = w.first, new_second = w.second_before;
    rr += relax<odd, asks>(i, p, w.b_first, w.second_before, w.second_after, w.second,
                           beyond<odd>(at, p.lane, w.second), new_first);
    relax<odd, false>(i - 1, p, w.b_second_before, w.new_first_before_last, new_first, w.new_first_before,
                      beyond<odd>(at, p.lane, w.new_first_before), new_second);
    if (i - 1 >= p.begin && i - 1 < p.end) {
      vector out;
      for (int m = 0; m < half; ++m) {
        out.at[2 * m + odd] = new_second.at[m];
        out.at[2 * m + 1 - odd] = w.new_first_before.at[m];
      }
      store(i - 1, p, out);
    }
    w = {w.new_first_before,
         w.second,
         new_first,
         w.first,
         w.first_after,
         w.second_after,
         every_other<odd>(w.coming),
         every_other<1 - odd>(w.coming),
         w.b_second,
         every_other<1 - odd>(w.b_coming),
         every_other<odd>(w.b_coming),
         next,
         next_b};
    return rr;
  }
  template <class Place>
  PYSOLVE_AT_PLACE double walk(const Place& at, const flat_strips<T>& cut, index_t task) const {
    const place_of_walk p = place(at.thread() % warp_threads, cut, task);
    // Columns and `begin` are even: the first of them is of the first colour in row i.
    int i = p.begin - 1 - (colour == 0);
    const index_t pairs = cut.rows / 2 + (colour == 0 ? 2 : 1);
    const vector before = load(old, i - 1, p, 2), here = load(old, i, p, 2), after = load(old, i + 1, p, 2),
                 right_side = load(b, i, p, 1);
    const colour_values none = {};
    window w{none,
             every_other<0>(before),
             none,
             every_other<1>(before),
             every_other<0>(here),
             every_other<1>(here),
             every_other<1>(after),
             every_other<0>(after),
             none,
             every_other<0>(right_side),
             every_other<1>(right_side),
             load(old, i + 2, p, 2),
             load(b, i + 1, p, 1)};
    double rr = 0;
    for (index_t pair = 0; pair < pairs; ++pair, i += 2) {
      rr += step<0>(at, i, p, w);
      rr += step<1>(at, i + 1, p, w);
    }
    return rr;
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
