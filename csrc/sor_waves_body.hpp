// The CUDA kernels of sor on stencil operators in the natural order, as bodies (see device_body.hpp).
//
// Cells with the same i + j + k are a wave: none is a neighbour of another, and of two neighbours the one that comes
// first in memory is in the earlier wave, across periodic sides too. So wave after wave gives the iterates of the cells
// one by one. There are n[0] + n[1] + n[2] - 2 of them; a launch takes one, or by one block several that follow each
// other and are narrow. The limit is the time of a launch, about 2 us each: a wave of a box of 4096 x 4096 or 256^3 is
// moved in no more. Neighbouring threads are at cells in different rows, so that a sector of 32 bytes is read for each
// value; the waves around find it in the cache.
//
// Bytes a cell of a whole pass, as far as the caches hold a wave: 3 v for a sweep, 3 v for a solve with one triangle
// (v = sizeof(T)); flops 24 and 15.
#pragma once
#include "sor_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

constexpr index_t narrow =
    2 * block_threads;  // threads' worth of work that one block takes on, level after level

// f(first, last) for groups of levels to be launched together; width(l) is how many threads have work in level l.
template <class Width, class F>
void over_groups(index_t n_levels, Width width, F f) {
  for (index_t first = 0; first < n_levels;) {
    index_t last = first + 1;
    if (width(first) <= narrow)
      while (last < n_levels && width(last) <= narrow) ++last;
    f(first, last);
    first = last;
  }
}

// The waves of a box. A thread has a place (i, j), and the cell k = wave - i - j where that is one.
struct box_waves {
  index_t n[3];
  PYSOLVE_BODY explicit box_waves(const index_t n_[3]) : n{n_[0], n_[1], n_[2]} {}
  PYSOLVE_BODY index_t count() const { return n[0] + n[1] + n[2] - 2; }
  PYSOLVE_BODY index_t first_plane(index_t wave) const {
    const index_t first = wave - (n[1] - 1) - (n[2] - 1);
    return first > 0 ? first : 0;
  }
  PYSOLVE_BODY index_t places(index_t wave) const {
    const index_t last = wave < n[0] - 1 ? wave : n[0] - 1;
    return (last - first_plane(wave) + 1) * n[1];
  }
};

// Waves [first, last) in turn, up or down, by a body that has cell(i, j, k).
struct wave_range {
  index_t first, last;
  bool down;
};
template <class Place, class Cell>
PYSOLVE_AT_PLACE void over_waves(const Place& at, const box_waves& box, const wave_range& range, Cell cell) {
  for (index_t turn = range.first; turn < range.last; ++turn) {
    const index_t wave = range.down ? range.last - 1 - (turn - range.first) : turn;
    const index_t begin = box.first_plane(wave);
    over_elements(at, box.places(wave), [&](index_t place) {
      const index_t plane = box.n[1] == 1 ? place : place / box.n[1];
      const index_t i = begin + plane, j = place - plane * box.n[1], k = wave - i - j;
      if (k >= 0 && k < box.n[2]) cell(i, j, k);
    });
    if (turn + 1 < range.last) at.sync();
  }
}
PYSOLVE_BODY index_t wave_blocks(const index_t n[3], const wave_range& range) {
  return range.last - range.first > 1 ? 1 : blocks_for(box_waves(n).places(range.first), block_threads);
}

// launch(range) for all waves of a box, in groups.
template <class F>
void over_wave_groups(const index_t n[3], bool down, F launch) {
  const box_waves box(n);
  const index_t count = box.count();
  const auto wave_of = [&](index_t l) { return down ? count - 1 - l : l; };
  over_groups(
      count, [&](index_t l) { return box.places(wave_of(l)); },
      [&](index_t first, index_t last) {
        const index_t a = wave_of(first), b = wave_of(last - 1);
        launch(wave_range{a < b ? a : b, (a < b ? b : a) + 1, down});
      });
}

// ---- sweeps ------------------------------------------------------------------------------------------------------

// fresh = old but for the cells of `colour` (-1: none), which are relaxed; returns its share of |b - A old|^2 where
// `asks` is set. No fresh: the norm alone. 3 v bytes a cell.
template <class Weights, class T, bool asks>
struct sor_start_body {
  using result = double;
  grid<T> A;
  const T *b, *old;
  T* fresh;
  T omega;
  int colour;
  const sor_course* course;
  PYSOLVE_BODY bool skip() const { return ended(course); }
  PYSOLVE_BODY index_t n_blocks() const { return row_pieces(A.n).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE double operator()(const Place& at) const {
    if (skip()) return 0;
    double rr = 0;
    over_pieces(A.n, at, [&](index_t row) {
      const index_t i = row / A.n[1], j = row - i * A.n[1];
      return [this, &rr, row, i, j, around = rows_around<T>(A, old, i, j),
              weights = Weights(A, i, j)](index_t k) {
        const index_t c = row * A.n[2] + k;
        const T d = diagonal(weights, A, i, j, k), here = around.c[k], right_side = b[c];
        if constexpr (asks)
          rr += squared(double(right_side) -
                        (d == 0 ? double(here) : weights.template times<double>(around, k)));
        if (asks && fresh == nullptr) return;
        T v = here;
        if (((i + j + k) & 1) == colour) {
          const T product = d == 0 ? here : weights.template times<T>(around, k);
          v += omega * (right_side - product) / (d == 0 ? T(1) : d);
        }
        fresh[c] = v;
      };
    });
    return rr;
  }
};

// x += omega (b - A x) / d in the cells of some waves.
template <class Weights, class T>
struct sor_wave_body {
  grid<T> A;
  const T* b;
  T* x;
  T omega;
  wave_range range;
  const sor_course* course;
  PYSOLVE_BODY index_t n_blocks() const { return wave_blocks(A.n, range); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    if (ended(course)) return;
    over_waves(at, box_waves(A.n), range, [&](index_t i, index_t j, index_t k) {
      const Weights weights(A, i, j);
      const rows_around<T> around(A, x, i, j);
      const index_t c = (i * A.n[1] + j) * A.n[2] + k;
      const T d = diagonal(weights, A, i, j, k), here = x[c];
      const T product = d == 0 ? here : weights.template times<T>(around, k);
      x[c] = here + omega * (b[c] - product) / (d == 0 ? T(1) : d);
    });
  }
};

// ---- solves with one triangle ------------------------------------------------------------------------------------

// The weights of a cell's faces: low and high along each axis.
template <class T>
struct six_faces {
  T w[3][2];
};
template <class T>
PYSOLVE_BODY six_faces<T> faces_of(const constant_weights<T>& w, index_t) {
  return {{{w.x, w.x}, {w.y, w.y}, {w.z, w.z}}};
}
template <class T>
PYSOLVE_BODY six_faces<T> faces_of(const face_weights<T>& w, index_t k) {
  return {{{w.x0[k], w.x1[k]}, {w.y0 ? w.y0[k] : T(0), w.y1 ? w.y1[k] : T(0)}, {w.z[k], w.z[k + 1]}}};
}

// sum_f w_f x_neighbour over the neighbours that come before cell c in memory, or after it; across a periodic side the
// first cell comes before the last.
template <bool before, class T>
PYSOLVE_BODY T sum_on_one_side(const grid<T>& A, const six_faces<T>& f, const index_t at[3], index_t c,
                               const T* x) {
  T sum = T(0);
  index_t stride = 1;
  for (int axis = 2; axis >= 0; --axis) {
    const index_t end = A.n[axis] - 1, k = at[axis];
    const bool wraps = end > 0 && A.low[axis] == side::periodic;
    if (before ? k > 0 : k < end) sum += f.w[axis][!before] * x[before ? c - stride : c + stride];
    if (wraps && k == (before ? end : 0))
      sum += f.w[axis][before] * x[before ? c - end * stride : c + end * stride];
    stride *= A.n[axis];
  }
  return sum;
}

// Ascending: y = (D/omega + L)^-1 r.  Descending, with r = y: y = (D/omega + L^T)^-1 (2 - omega)/omega D r.
template <class Weights, class T, bool ascends>
struct sor_triangle_body {
  grid<T> A;
  const T* r;
  T* y;
  T omega;
  wave_range range;
  const sor_course* course;
  PYSOLVE_BODY index_t n_blocks() const { return wave_blocks(A.n, range); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    if (ended(course)) return;
    over_waves(at, box_waves(A.n), range, [&](index_t i, index_t j, index_t k) {
      const Weights weights(A, i, j);
      const index_t c = (i * A.n[1] + j) * A.n[2] + k, place[3] = {i, j, k};
      const T d = diagonal(weights, A, i, j, k), factor = omega / (d == 0 ? T(1) : d);
      const T sum = sum_on_one_side<ascends>(A, faces_of(weights, k), place, c, y);
      y[c] = ascends ? (r[c] + sum) * factor : (T(2) - omega) * r[c] + sum * factor;
    });
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
