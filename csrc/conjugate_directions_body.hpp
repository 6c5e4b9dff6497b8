// The CUDA kernels of conjugate_directions as bodies (see device_body.hpp), and the order in which they are
// launched. One thread for each unknown.
#pragma once
#include "conjugate_directions.hpp"
#include "device_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// Dot products taken in one pass over z: more would cost registers, and few runs keep more directions.
constexpr int dots_at_once = 4;

template <class T>
struct dots {
  sum_t<T> of[dots_at_once] = {};
  PYSOLVE_BODY dots& operator+=(const dots& o) {
    for (int k = 0; k < dots_at_once; ++k) of[k] += o.of[k];
    return *this;
  }
};

// rows[k]^H z for k < count.
template <class T>
struct dots_body {
  using result = dots<T>;
  const T* rows[dots_at_once];
  int count;
  const T* z;
  index_t n;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE result operator()(const Place& at) const {
    result s;
    over_elements(at, n, [&](index_t i) {
      const T here = z[i];
      for (int k = 0; k < dots_at_once; ++k)
        if (k < count) s.of[k] += inner(rows[k][i], here);
    });
    return s;
  }
};

template <class T>
struct direction_sums {
  sum_t<T> pr = sum_t<T>();
  double pp = 0;
  PYSOLVE_BODY direction_sums& operator+=(const direction_sums& o) {
    pr += o.pr;
    pp += o.pp;
    return *this;
  }
};

// p = z - sum_{k < count} c[k] rows[k]; returns p^H r and p^H p. p may be one of the rows.
template <class T>
struct combine_body {
  using result = direction_sums<T>;
  const T *z, *r;
  T* p;
  index_t n;
  int count = 0;
  const T* rows[max_keep] = {};
  T c[max_keep] = {};
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE result operator()(const Place& at) const {
    result s;
    over_elements(at, n, [&](index_t i) {
      T v = z[i];
      for (int k = 0; k < count; ++k) v = v - c[k] * rows[k][i];
      p[i] = v;
      s.pr += inner(v, r[i]);
      s.pp += squared(v);
    });
    return s;
  }
};

template <class T>
struct step_body {
  using result = double;
  T *x, *r;
  const T *p, *q;
  T alpha;
  index_t n;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE double operator()(const Place& at) const {
    double rr = 0;
    struct values {
      T x, r, p, q;
    };
    over_batches<T>(
        at, n, [&](index_t i) { return values{x[i], r[i], p[i], q[i]}; },
        [&](index_t i, values v) {
          const T rest = v.r - alpha * v.q;
          x[i] = v.x + alpha * v.p;
          r[i] = rest;
          rr += squared(rest);
        });
    return rr;
  }
};

// c[k] = Q[k]^H z / pq[k] where pq[k] > 0, else 0; c and pq are on the host.
template <class Queue, class T, class C>
void run_coefficients(Queue& queue, const T* z, const T* Q, const double* pq, C* c, index_t n_keep,
                      index_t n) {
  index_t taken[max_keep], n_taken = 0;
  for (index_t k = 0; k < n_keep; ++k) {
    c[k] = C();
    if (pq[k] > 0) taken[n_taken++] = k;
  }
  for (index_t first = 0; first < n_taken; first += dots_at_once) {
    const int count = int(n_taken - first < dots_at_once ? n_taken - first : dots_at_once);
    dots_body<T> body{{}, count, z, n};
    for (int k = 0; k < count; ++k) body.rows[k] = Q + taken[first + k] * n;
    const dots<T> s = queue.sum(body);
    for (int k = 0; k < count; ++k) c[taken[first + k]] = on_host(s.of[k]) / pq[taken[first + k]];
  }
}

// conjugate_directions_orthogonalise; `slot` is subtracted first, as on the CPU, for the same rounding.
template <class Queue, class T, class C>
direction_sums<T> run_orthogonalise(Queue& queue, const T* z, const T* r, T* P, const T* Q, const double* pq,
                                    C* c, index_t n_keep, index_t slot, index_t n) {
  run_coefficients(queue, z, Q, pq, c, n_keep, n);
  combine_body<T> body{z, r, P + slot * n, n};
  for (index_t k = 0; k < n_keep; ++k) {
    const index_t row = k == 0 ? slot : k <= slot ? k - 1 : k;
    if (c[row] == C()) continue;
    body.rows[body.count] = P + row * n;
    body.c[body.count++] = T(*on_device(&c[row]));
  }
  return queue.sum(body);
}

}  // namespace pysolve::PYSOLVE_BACKEND
