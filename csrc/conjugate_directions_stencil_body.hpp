// Conjugate gradients on stencil operators as bodies. A p is never stored, and a run takes two launches an iteration:
// the first forms p = M r + beta p in the cell and in its six neighbours, writes its own into a second array, so that
// the old p stays whole, and sums p^H A p; the second forms A p again where x and r are updated. 7 v bytes per unknown
// (p: 3, x and r: 4, since x moves every second step) and the weights, twice; v more, twice, with a diagonal. What the
// neighbours read comes out of the caches.
#pragma once
#include <type_traits>

#include "conjugate_directions_run_body.hpp"
#include "stencil_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// p = M r + beta p in any cell.
template <class T>
struct next_direction {
  preconditioned<T> z;
  const T* p;
  T beta;
  PYSOLVE_BODY T operator()(index_t c) const { return z(c) + beta * p[c]; }
};

// Its values around a row of cells, as rows_around has those of a vector.
template <class T>
struct directions_around {
  next_direction<T> p;
  index_t c, xm, xp, ym, yp, last;
  side low, high;

  PYSOLVE_BODY directions_around(const grid<T>& A, const next_direction<T>& p_, index_t i, index_t j)
      : p(p_), c((i * A.n[1] + j) * A.n[2]), last(A.n[2] - 1), low(A.low[2]), high(A.high[2]) {
    xm = way_to(A, 0, i, A.n[1] * A.n[2], -1);
    xp = way_to(A, 0, i, A.n[1] * A.n[2], +1);
    ym = way_to(A, 1, j, A.n[2], -1);
    yp = way_to(A, 1, j, A.n[2], +1);
  }
  template <class S>
  PYSOLVE_BODY S here(index_t k) const {
    return p(c + k);
  }
  template <class S>
  PYSOLVE_BODY S value(index_t way, index_t k) const {
    return way == nothing ? S(0) : S(p(c + way + k));
  }
  template <class S>
  PYSOLVE_BODY S before(index_t k) const {
    if (k > 0) return p(c + k - 1);
    return low == side::dirichlet ? T(0) : p(low == side::neumann ? c : c + last);
  }
  template <class S>
  PYSOLVE_BODY S after(index_t k) const {
    if (k < last) return p(c + k + 1);
    return high == side::dirichlet ? T(0) : p(high == side::neumann ? c + last : c);
  }
};

// x += late p, next = M r + beta p; its p . p and p . A p.
template <class Weights, class T>
struct run_stencil_direction_body {
  using result = pair_sum;
  static constexpr int blocks_at_once =
      std::is_same_v<Weights, face_weights<double>> ? 2 : 3;  // with 3 that would spill
  grid<T> A;
  preconditioned<T> z;
  T* x;
  const T* p;
  T* next;
  const run_numbers* s;
  PYSOLVE_BODY bool skip() const { return s->end != 0; }
  PYSOLVE_BODY index_t n_blocks() const { return row_pieces(A.n).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE result operator()(const Place& at) const {
    const next_direction<T> made{z, p, T(s->beta)};
    const T late = T(s->late);
    result sums;
    over_pieces(A.n, at, [&](index_t row) {
      const index_t i = row / A.n[1], j = row - i * A.n[1];
      return [&, around = directions_around<T>(A, made, i, j), weights = Weights(A, i, j)](index_t k) {
        const index_t c = around.c + k;
        const T here = made(c), product = weights.template times<T>(around, k);
        next[c] = here;
        if (late != 0) x[c] += late * p[c];
        sums += {squared(here), inner(here, product)};
      };
    });
    return sums;
  }
};

// x += now.p p + now.z M r, r -= alpha A p; r . r and r . M r.
template <class Weights, class T>
struct run_stencil_update_body {
  using result = pair_sum;
  grid<T> A;
  preconditioned<T> z;
  T *x, *r;
  const T* p;
  const run_numbers* s;
  PYSOLVE_BODY bool skip() const { return s->end != 0; }
  PYSOLVE_BODY index_t n_blocks() const { return row_pieces(A.n).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE result operator()(const Place& at) const {
    const T alpha = T(s->alpha), along_p = T(s->now.p), along_z = T(s->now.z);
    const bool moves = s->now.moves();
    result sums;
    over_cells<Weights, T>(A, p, at, [&](index_t c, T here, T product) {
      const T old = r[c], rest = old - alpha * product, weight = z.weight(c);
      if (moves) x[c] += along_p * here + (along_z * weight) * old;
      r[c] = rest;
      sums += squares(rest, weight);
    });
    return sums;
  }
};

template <class T>
struct stencil_system {
  grid<T> A;
  const T* d;
  T *x, *r, *p, *other;
  preconditioned<T> z() const { return {r, d}; }

  template <class Queue>
  void norms(Queue& queue, const sum_place& sums, run_numbers* s) const {
    queue.finish(sums, run_norms_body<T>{z(), A.size()}, first_rho{s});
  }
  template <class Queue>
  void step(Queue& queue, const sum_place& sums, run_numbers* s, index_t k) const {
    T *const before = k % 2 ? other : p, *const next = k % 2 ? p : other;
    with_weights(A, [&]<class W>() {
      queue.finish(sums, run_stencil_direction_body<W, T>{A, z(), x, before, next, s}, aimed<T>{s});
      queue.finish(sums, run_stencil_update_body<W, T>{A, z(), x, r, next, s}, stepped{s});
    });
  }
  template <class Queue>
  void rest(Queue& queue, run_numbers* s) const {
    queue.run(run_rest_body<T>{z(), x, p, other, A.size(), s});
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
