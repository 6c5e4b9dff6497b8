// Runs of conjugate gradients on stored matrices as bodies: three launches an iteration. In bytes per unknown beyond the
// matrix, with v = sizeof(T): p = M r + beta p 3 v, q = A p 2 v, x and r 4.5 v (x moves every second step): 9.5 v, and
// v more, twice, with a diagonal. To form p where the product gathers it would save a launch and v, and gather two
// vectors by the columns of the matrix instead of one. Device memory is the limit of large systems, the launches that of
// small ones.
#pragma once
#include "conjugate_directions_run_body.hpp"
#include "csr_body.hpp"
#include "sell_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// x += late p, then p = M r + beta p.
template <class T>
struct run_direction_body {
  preconditioned<T> z;
  T *x, *p;
  index_t n;
  const run_numbers* s;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    using real = real_t<T>;
    if (s->end != 0) return;
    const real beta = real(s->beta), late = real(s->late);
    struct values {
      T z, before;
    };
    over_batches<T>(
        at, n, [&](index_t i) { return values{z(i), p[i]}; },
        [&](index_t i, values v) {
          p[i] = v.z + beta * v.before;
          if (late != 0) x[i] += late * v.before;
        });
  }
};

// q = A p; p^H p and p^H A p.
template <class I, class T>
struct run_csr_product_body {
  using result = pair_sum;
  csr<I, T> A;
  const T* p;
  T* q;
  const run_numbers* s;
  PYSOLVE_BODY bool skip() const { return s->end != 0; }
  PYSOLVE_BODY index_t n_blocks() const { return row_blocks(A.n_rows); }
  template <class Place>
  PYSOLVE_AT_PLACE result operator()(const Place& at) const {
    result sums;
    over_products<T>(A, p, at, [&](index_t i, T v) {
      q[i] = v;
      sums += {squared(p[i]), real_part(inner(p[i], v))};
    });
    return sums;
  }
};

template <class T>
struct run_sell_product_body {
  using result = pair_sum;
  sell<T> A;
  const T* p;
  T* q;
  const run_numbers* s;
  PYSOLVE_BODY bool skip() const { return s->end != 0; }
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(A.n_rows, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE result operator()(const Place& at) const {
    result sums;
    over_elements(at, A.n_rows, [&](index_t i) {
      const T v = row_product<T>(A, p, i);
      q[i] = v;
      sums += {squared(p[i]), real_part(inner(p[i], v))};
    });
    return sums;
  }
};

// x += now.p p + now.z M r, r -= alpha q; r^H r and r^H M r.
template <class T>
struct run_update_body {
  using result = pair_sum;
  preconditioned<T> z;
  T *x, *r;
  const T *p, *q;
  index_t n;
  const run_numbers* s;
  PYSOLVE_BODY bool skip() const { return s->end != 0; }
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE result operator()(const Place& at) const {
    using real = real_t<T>;
    const real alpha = real(s->alpha), along_p = real(s->now.p), along_z = real(s->now.z);
    const bool moves = s->now.moves();
    result sums;
    struct values {
      T old, q, x, p;
      real weight;
    };
    over_batches<T>(
        at, n,
        [&](index_t i) { return values{r[i], q[i], moves ? x[i] : T(), moves ? p[i] : T(), z.weight(i)}; },
        [&](index_t i, values v) {
          const T rest = v.old - alpha * v.q;
          if (moves) x[i] = v.x + (along_p * v.p + (along_z * v.weight) * v.old);
          r[i] = rest;
          sums += squares(rest, v.weight);
        });
    return sums;
  }
};

template <class I, class T>
run_csr_product_body<I, T> product_body(const csr<I, T>& A, const T* p, T* q, const run_numbers* s) {
  return {A, p, q, s};
}
template <class T>
run_sell_product_body<T> product_body(const sell<T>& A, const T* p, T* q, const run_numbers* s) {
  return {A, p, q, s};
}

template <class Matrix>
struct stored_system {
  using T = typename Matrix::value_type;
  Matrix A;
  const real_t<T>* d;
  T *x, *r, *p, *q;
  preconditioned<T> z() const { return {r, d}; }

  template <class Queue>
  void norms(Queue& queue, const sum_place& sums, run_numbers* s) const {
    queue.finish(sums, run_norms_body<T>{z(), A.n_rows}, first_rho{s});
  }
  template <class Queue>
  void step(Queue& queue, const sum_place& sums, run_numbers* s, index_t) const {
    queue.run(run_direction_body<T>{z(), x, p, A.n_rows, s});
    queue.finish(sums, product_body(A, static_cast<const T*>(p), q, s), aimed<real_t<T>>{s});
    queue.finish(sums, run_update_body<T>{z(), x, r, p, q, A.n_rows, s}, stepped{s});
  }
  template <class Queue>
  void rest(Queue& queue, run_numbers* s) const {
    queue.run(run_rest_body<T>{z(), x, p, nullptr, A.n_rows, s});
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
