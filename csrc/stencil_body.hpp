// The CUDA kernels of stencil as bodies (see device_body.hpp), and the order in which they are launched.
//
// A warp (or 1, 2, 4 ... 16 threads of it, for short rows) takes a piece of a row along the last axis,
// cells_per_lane cells for each thread: neighbouring threads are at neighbouring cells, and the divisions that find
// the row are shared by the cells of a piece. x at the six neighbours comes out of the caches.
#pragma once
#include <limits>

#include "device_body.hpp"
#include "stencil.hpp"

namespace pysolve::PYSOLVE_BACKEND {

constexpr int cells_per_lane = 4;

// How the cells are cut into pieces of rows.
struct row_pieces {
  int lanes = 1;            // threads for a piece
  index_t n_rows, per_row;  // rows, and pieces of each
  PYSOLVE_BODY row_pieces(const index_t n[3]) : n_rows(n[0] * n[1]) {
    while (lanes < warp_threads && lanes < n[2]) lanes *= 2;
    per_row = (n[2] + lanes * cells_per_lane - 1) / (lanes * cells_per_lane);
  }
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n_rows * per_row, block_threads / lanes); }
};

// How far it is from a cell at place `at` along an axis to the one before (step -1) or after it (+1); nothing: x is zero
// there.
constexpr index_t nothing = std::numeric_limits<index_t>::min();
template <class T>
PYSOLVE_BODY index_t way_to(const grid<T>& A, int axis, index_t at, index_t stride, int step) {
  const index_t end = A.n[axis] - 1;
  if (step < 0 ? at > 0 : at < end) return step * stride;
  const side s = step < 0 ? A.low[axis] : A.high[axis];
  if (s == side::dirichlet) return nothing;
  return s == side::neumann ? 0 : -step * end * stride;
}

// Rows of x around row (i, j). Beyond a Dirichlet side there is none (null: x is zero); beyond a Neumann side the row
// itself stands in: its difference to itself is zero, whatever the weight.
template <class T>
struct rows_around {
  const T *c, *xm, *xp, *ym, *yp;
  index_t last;  // of a row
  side low, high;

  PYSOLVE_BODY rows_around(const grid<T>& A, const T* x, index_t i, index_t j)
      : c(x + (i * A.n[1] + j) * A.n[2]), last(A.n[2] - 1), low(A.low[2]), high(A.high[2]) {
    xm = neighbour(A, 0, i, A.n[1] * A.n[2], -1);
    xp = neighbour(A, 0, i, A.n[1] * A.n[2], +1);
    ym = neighbour(A, 1, j, A.n[2], -1);
    yp = neighbour(A, 1, j, A.n[2], +1);
  }
  PYSOLVE_BODY const T* neighbour(const grid<T>& A, int axis, index_t at, index_t stride, int step) const {
    const index_t way = way_to(A, axis, at, stride, step);
    return way == nothing ? nullptr : c + way;
  }
  // The values at cell k and around it, in S.
  template <class S>
  PYSOLVE_BODY S here(index_t k) const {
    return c[k];
  }
  template <class S>
  PYSOLVE_BODY static S value(const T* row, index_t k) {
    return row ? S(row[k]) : S(0);
  }
  template <class S>
  PYSOLVE_BODY S before(index_t k) const {
    if (k > 0) return c[k - 1];
    return low == side::dirichlet ? T(0) : low == side::neumann ? c[0] : c[last];
  }
  template <class S>
  PYSOLVE_BODY S after(index_t k) const {
    if (k < last) return c[k + 1];
    return high == side::dirichlet ? T(0) : high == side::neumann ? c[last] : c[0];
  }
};

// A x in cell k of a row, summed in S, with one weight for each axis.
template <class T>
struct constant_weights {
  T x, y, z, s0;
  const T* s;
  PYSOLVE_BODY constant_weights(const grid<T>& A, index_t i, index_t j)
      : x(A.constant[0]),
        y(A.constant[1]),
        z(A.constant[2]),
        s0(A.shift0),
        s(A.shift ? A.shift + (i * A.n[1] + j) * A.n[2] : nullptr) {}
  template <class S, class Around>
  PYSOLVE_BODY S times(const Around& r, index_t k) const {
    const S c = r.template here<S>(k), two = c + c;
    const S faces = x * (two - (r.template value<S>(r.xm, k) + r.template value<S>(r.xp, k))) +
                    y * (two - (r.template value<S>(r.ym, k) + r.template value<S>(r.yp, k))) +
                    z * (two - (r.template before<S>(k) + r.template after<S>(k)));
    return (s ? s[k] : s0) * c + faces;
  }
};

// The same with a weight for each face; y0 is null in a 2-D box.
template <class T>
struct face_weights {
  const T *x0, *x1, *y0, *y1, *z, *s;
  T s0;
  PYSOLVE_BODY face_weights(const grid<T>& A, index_t i, index_t j) : s0(A.shift0) {
    const index_t n1 = A.n[1], n2 = A.n[2], row = i * n1 + j;
    x0 = A.weights[0] + row * n2;
    x1 = x0 + n1 * n2;
    y0 = A.weights[1] ? A.weights[1] + (row + i) * n2 : nullptr;
    y1 = y0 ? y0 + n2 : nullptr;
    z = A.weights[2] + row * (n2 + 1);
    s = A.shift ? A.shift + row * n2 : nullptr;
  }
  template <class S, class Around>
  PYSOLVE_BODY S times(const Around& r, index_t k) const {
    const S c = r.template here<S>(k);
    S a = x0[k] * (c - r.template value<S>(r.xm, k)) + x1[k] * (c - r.template value<S>(r.xp, k));
    if (y0) a += y0[k] * (c - r.template value<S>(r.ym, k)) + y1[k] * (c - r.template value<S>(r.yp, k));
    return a + ((s ? s[k] : s0) * c + z[k] * (c - r.template before<S>(k)) +
                z[k + 1] * (c - r.template after<S>(k)));
  }
};

// row(r), for every piece of a row that this thread has a share in, gives what it is to do at its k < n[2] there.
template <class Place, class Row>
PYSOLVE_AT_PLACE void over_pieces(const index_t n[3], const Place& at, Row row) {
  const row_pieces cut(n);
  const index_t pieces = cut.n_rows * cut.per_row, at_once = at.block_threads() / cut.lanes;
  const index_t stride = at.n_blocks() * at_once;
  for (index_t p = at.block() * at_once + at.thread() / cut.lanes; p < pieces; p += stride) {
    const index_t r = p / cut.per_row;
    const index_t begin =
        (p - r * cut.per_row) * cut.lanes * cells_per_lane + (at.thread() & (cut.lanes - 1));
    const auto in_row = row(r);
    for (int u = 0; u < cells_per_lane; ++u) {
      const index_t k = begin + u * cut.lanes;
      if (k < n[2]) in_row(k);
    }
  }
}

// visit(cell, x there, A x there in S) for all cells.
template <class Weights, class S, class T, class Place, class Visit>
PYSOLVE_AT_PLACE void over_cells(const grid<T>& A, const T* x, const Place& at, Visit visit) {
  over_pieces(A.n, at, [&](index_t row) {
    const index_t i = row / A.n[1], j = row - i * A.n[1];
    return [&A, &visit, row, around = rows_around<T>(A, x, i, j), weights = Weights(A, i, j)](index_t k) {
      visit(row * A.n[2] + k, around.c[k], weights.template times<S>(around, k));
    };
  });
}

template <class Weights, class T>
struct stencil_matvec_body {
  grid<T> A;
  const T* x;
  T* y;
  PYSOLVE_BODY index_t n_blocks() const { return row_pieces(A.n).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_cells<Weights, T>(A, x, at, [&](index_t c, T, T v) { y[c] = v; });
  }
};

template <class Weights, class T>
struct stencil_matvec_dot_body {
  using result = double;
  grid<T> A;
  const T* x;
  T* y;
  PYSOLVE_BODY index_t n_blocks() const { return row_pieces(A.n).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE double operator()(const Place& at) const {
    double dot = 0;
    over_cells<Weights, T>(A, x, at, [&](index_t c, T here, T v) {
      y[c] = v;
      dot += inner(here, v);
    });
    return dot;
  }
};

template <class Weights, class T>
struct stencil_residual_body {
  using result = double;
  grid<T> A;
  const T* b;
  const T* x;
  T* r;
  PYSOLVE_BODY index_t n_blocks() const { return row_pieces(A.n).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE double operator()(const Place& at) const {
    double rr = 0;
    over_cells<Weights, double>(A, x, at, [&](index_t c, T, double v) {
      const T difference = T(double(b[c]) - v);
      r[c] = difference;
      rr += squared(difference);
    });
    return rr;
  }
};

// y = x (with b: y = b - x) in the decoupled cells, one thread for each; returns the sum of squares of y there.
template <class T>
struct stencil_decoupled_body {
  using result = double;
  const index_t* cells;
  index_t count;
  const T* b;
  const T* x;
  T* y;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(count, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE double operator()(const Place& at) const {
    double sum = 0;
    over_elements(at, count, [&](index_t i) {
      const index_t c = cells[i];
      const T v = b ? b[c] - x[c] : x[c];
      y[c] = v;
      sum += squared(v);
    });
    return sum;
  }
};

template <class T>
struct squares_body {
  using result = double;
  const T* r;
  index_t n;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE double operator()(const Place& at) const {
    double sum = 0;
    over_elements(at, n, [&](index_t i) { sum += squared(r[i]); });
    return sum;
  }
};

// f.template operator()<Weights>() for the kind of weights that A has.
template <class T, class F>
auto with_weights(const grid<T>& A, F&& f) {
  if (A.weights[0]) return f.template operator()<face_weights<T>>();
  return f.template operator()<constant_weights<T>>();
}

template <class Queue, class T>
void run_stencil_matvec(Queue& queue, const grid<T>& A, const T* x, T* y) {
  with_weights(A, [&]<class W>() { queue.run(stencil_matvec_body<W, T>{A, x, y}); });
  if (A.n_decoupled > 0) queue.run(stencil_decoupled_body<T>{A.decoupled, A.n_decoupled, nullptr, x, y});
}

// Decoupled cells add nothing to the sum of the first body: all their weights are zero.
template <class Queue, class T>
double run_stencil_matvec_dot(Queue& queue, const grid<T>& A, const T* x, T* y) {
  return with_weights(A, [&]<class W>() {
    const stencil_matvec_dot_body<W, T> product{A, x, y};
    if (A.n_decoupled == 0) return queue.sum(product);
    return queue.sum(product, stencil_decoupled_body<T>{A.decoupled, A.n_decoupled, nullptr, x, y});
  });
}

// With decoupled cells the sum is taken anew: what they added to it before may dwarf the rest.
template <class Queue, class T>
double run_stencil_residual(Queue& queue, const grid<T>& A, const T* b, const T* x, T* r) {
  return with_weights(A, [&]<class W>() {
    const stencil_residual_body<W, T> difference{A, b, x, r};
    if (A.n_decoupled == 0) return queue.sum(difference);
    queue.run(difference);
    queue.run(stencil_decoupled_body<T>{A.decoupled, A.n_decoupled, b, x, r});
    return queue.sum(squares_body<T>{r, A.size()});
  });
}

}  // namespace pysolve::PYSOLVE_BACKEND
