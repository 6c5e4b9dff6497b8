// The CUDA kernels of sor as bodies (see device_body.hpp): one colour of a sweep, whose rows do not wait for others.
//
// Bytes and flops with v = sizeof(T), i = sizeof(I):
//
//   rows of a csr matrix     entries (v + i) + rows (2 v + 2 i + 8) bytes, and the values of x that they name, at most
//                            n v; 2 entries + 4 rows flops
//   a colour of a stencil    3 v bytes for each cell of the box (constant weights), 6 v (arrays, 3-D), 5 v (2-D), and v
//                            with a shift array; 24 flops for each cell of the colour, 29 (arrays, 3-D), 21 (2-D)
//
// Memory moves in sectors of 32 bytes: what lies beside a row of the set comes along, and of a stencil all of the other
// colour does, so that a sweep is two such passes over the box. Both colours in one pass: sor_red_black_body.hpp.
#pragma once
#include "csr_body.hpp"
#include "sor.hpp"
#include "sor_course.hpp"
#include "sor_stencil.hpp"
#include "stencil_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// ---- rows of a sparse matrix -------------------------------------------------------------------------------------

// (A x)_i and a_ii, of which only the real part counts. A column may be named twice.
template <class S>
struct row_sums {
  S product = S();
  double diagonal = 0;
  PYSOLVE_BODY row_sums& operator+=(const row_sums& o) {
    product += o.product;
    diagonal += o.diagonal;
    return *this;
  }
};

template <class R>
PYSOLVE_BODY double real_part(R a) {
  return double(a);
}
template <class R>
PYSOLVE_BODY double real_part(device_complex<R> a) {
  return double(a.re);
}

// x + factor r, rounded once.
template <class T>
PYSOLVE_BODY T moved(T x, double factor, double r) {
  return T(double(x) + factor * r);
}
template <class R>
PYSOLVE_BODY device_complex<R> moved(device_complex<R> x, double factor, device_complex<double> r) {
  return device_complex<R>(R(double(x.re) + factor * r.re), R(double(x.im) + factor * r.im));
}

// 1 to 32 threads for each row of the set, by the mean row length of A; the first of them writes x, after the others
// have read it.
template <class I, class T>
struct sor_sweep_csr_body {
  csr<I, T> A;
  const index_t* rows;
  index_t n_rows;
  const T* b;
  T* x;
  double omega;
  PYSOLVE_BODY index_t n_blocks() const { return row_blocks(n_rows); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const int lanes = lanes_per_row(index_t(A.indptr[A.n_rows]), A.n_rows), lane = at.thread() & (lanes - 1);
    const index_t at_once = at.block_threads() / lanes;
    // All threads of a block go round equally often, as shuffles require.
    for (index_t first = at.block() * at_once; first < n_rows; first += at.n_blocks() * at_once) {
      const index_t number = first + at.thread() / lanes;
      const bool has_row = number < n_rows;
      const index_t row = has_row ? rows[number] : 0;
      row_sums<sum_t<T>> sums;
      if (has_row) sums = share_of(row, lane, lanes);
      sums = lanes_sum(at, sums, lanes);
      if (has_row && lane == 0)
        x[row] = moved(x[row], omega / sums.diagonal, sum_t<T>(b[row]) - sums.product);
    }
  }
  PYSOLVE_BODY row_sums<sum_t<T>> share_of(index_t row, int lane, int lanes) const {
    using S = sum_t<T>;
    row_sums<S> sums;
    const index_t end = A.indptr[row + 1];
    for (index_t k = index_t(A.indptr[row]) + lane; k < end; k += lanes) {
      const index_t j = A.indices[k];
      const T a = A.data[k];
      sums.product += S(a) * S(x[j]);
      if (j == row) sums.diagonal += real_part(a);
    }
    return sums;
  }
};

// ---- a colour of a stencil operator ------------------------------------------------------------------------------

// Faces of a place along an axis that are not closed, for constant weights.
template <class T>
PYSOLVE_BODY T open_faces(const grid<T>& A, int axis, index_t at) {
  return T(at > 0 || A.low[axis] != side::neumann) + T(at < A.n[axis] - 1 || A.high[axis] != side::neumann);
}

// The diagonal of A in cell k of row (i, j): its faces and its shift, 0 where it is decoupled.
template <class T>
PYSOLVE_BODY T diagonal(const constant_weights<T>& w, const grid<T>& A, index_t i, index_t j, index_t k) {
  const T faces = open_faces(A, 0, i) * w.x + open_faces(A, 1, j) * w.y + open_faces(A, 2, k) * w.z;
  return faces + (w.s ? w.s[k] : w.s0);
}
template <class T>
PYSOLVE_BODY T diagonal(const face_weights<T>& w, const grid<T>&, index_t, index_t, index_t k) {
  T faces = (w.x0[k] + w.x1[k]) + (w.z[k] + w.z[k + 1]);
  if (w.y0) faces += w.y0[k] + w.y1[k];
  return faces + (w.s ? w.s[k] : w.s0);
}

// Where the cells with (i + j + k) % 2 == colour are. A row has one for every two of its cells, at k = 2 m + its
// first_of, and is cut into pieces as if it had no others: neighbouring threads are at neighbouring cells of the
// colour, and none is at one of the other. Where rows are of one cell every other row has one: of two cells that follow
// each other in memory from an even one on, exactly one is of the colour, whatever the extents.
struct colour_cells {
  index_t n_rows, per_plane;
  int colour;
  bool one_in_two_rows;
  index_t cut[3];  // what is cut into pieces: (pairs of) rows, and the cells of the colour in one
  PYSOLVE_BODY colour_cells(const index_t box[3], int colour_)
      : n_rows(box[0] * box[1]),
        per_plane(box[1]),
        colour(colour_),
        one_in_two_rows(box[2] == 1),
        cut{one_in_two_rows ? (n_rows + 1) / 2 : n_rows, 1, (box[2] + 1) / 2} {}
  PYSOLVE_BODY index_t n_blocks() const { return row_pieces(cut).n_blocks(); }
  PYSOLVE_BODY index_t first_of(index_t row) const {
    const index_t i = row / per_plane, j = row - i * per_plane;
    return (i + j + colour) & 1;
  }
  // The row of a pair may be one without a cell of the colour, where it is the last of an odd number.
  PYSOLVE_BODY index_t row_at(index_t place) const {
    if (!one_in_two_rows) return place;
    const index_t row = 2 * place;
    return row + 1 < n_rows ? row + first_of(row) : row;
  }
};

// x += omega (b - A x) / d in the cells of a colour; a decoupled cell has the row of the identity. Nothing is read but
// the cell itself and cells of the other colour.
template <class Weights, class T>
struct sor_sweep_stencil_body {
  static constexpr int blocks_at_once = 2;  // with no more registers than it likes something spills
  grid<T> A;
  const T* b;
  T* x;
  T omega;
  int colour;
  const sor_course* course = nullptr;
  PYSOLVE_BODY index_t n_blocks() const { return colour_cells(A.n, colour).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    if (ended(course)) return;
    const colour_cells cells(A.n, colour);
    over_pieces(cells.cut, at, [&](index_t place) {
      const index_t row = cells.row_at(place), i = row / A.n[1], j = row - i * A.n[1];
      return [this, i, j, first = cells.first_of(row), right_side = b + row * A.n[2],
              around = rows_around<T>(A, x, i, j), weights = Weights(A, i, j)](index_t m) {
        const index_t k = 2 * m + first;
        if (k >= A.n[2]) return;
        const T d = diagonal(weights, A, i, j, k), here = around.c[k];
        const T product = d == 0 ? here : weights.template times<T>(around, k);
        const_cast<T*>(around.c)[k] = here + omega * (right_side[k] - product) / (d == 0 ? T(1) : d);
      };
    });
  }
};

template <class Queue, class T>
void run_sor_sweep_stencil(Queue& queue, const grid<T>& A, const T* b, T* x, T omega, int colour,
                           const sor_course* course = nullptr) {
  with_weights(A,
               [&]<class W>() { queue.run(sor_sweep_stencil_body<W, T>{A, b, x, omega, colour, course}); });
}

}  // namespace pysolve::PYSOLVE_BACKEND
