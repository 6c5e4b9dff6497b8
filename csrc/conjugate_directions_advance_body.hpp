// One step of conjugate gradients on a stencil operator as bodies, for an M whose answer z = M r is complete before it
// starts: r . z, p = z + beta p, p . A p, then x and r. A p is formed twice and never stored: 2, 3, 1 and 5 v bytes per
// unknown, and the weights, twice. Where the step waits for nothing, its numbers are in device memory (see advance).
#pragma once
#include <limits>

#include "conjugate_directions_run_body.hpp"
#include "stencil_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

static_assert(advance::work >= 1 + index_t(max_blocks * sizeof(pair_sum) / sizeof(double)));

constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

// A number of the host, or one in device memory that an earlier launch leaves there.
struct number {
  double value = 0;
  const double* at = nullptr;
  PYSOLVE_BODY double operator()() const { return at ? *at : value; }
};

// Whether no step is to be done: an end has come, or there is no room for its norm. Never without a state.
struct step_end {
  const double* state = nullptr;
  index_t n_state = 0;
  PYSOLVE_BODY bool operator()() const {
    return state &&
           (state[advance::end] != 0 || index_t(state[advance::n_steps]) >= n_state - advance::norms);
  }
};

template <class T>
struct dot_body {
  using result = double;
  const T *r, *z;
  index_t n;
  step_end ended;
  PYSOLVE_BODY bool skip() const { return ended(); }
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE double operator()(const Place& at) const {
    double sum = 0;
    over_elements(at, n, [&](index_t i) { sum += inner(r[i], z[i]); });
    return sum;
  }
};

// p = z + beta p.
template <class T>
struct toward_body {
  const T* z;
  T* p;
  index_t n;
  number beta;
  step_end ended;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    if (ended()) return;
    const T b = T(beta());
    over_batches<T>(at, n, [&](index_t i) { return z[i] + b * p[i]; }, [&](index_t i, T v) { p[i] = v; });
  }
};

// p . p and p . A p.
template <class Weights, class T>
struct energy_body {
  using result = pair_sum;
  static constexpr int blocks_at_once = 3;
  grid<T> A;
  const T* p;
  step_end ended;
  PYSOLVE_BODY bool skip() const { return ended(); }
  PYSOLVE_BODY index_t n_blocks() const { return row_pieces(A.n).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE result operator()(const Place& at) const {
    result sums;
    over_cells<Weights, T>(
        A, p, at, [&](index_t, T here, T product) { sums += {squared(here), inner(here, product)}; });
    return sums;
  }
};

// x += alpha p, r -= alpha A p; r . r.
template <class Weights, class T>
struct along_body {
  using result = double;
  grid<T> A;
  T *x, *r;
  const T* p;
  number alpha;
  step_end ended;
  PYSOLVE_BODY bool skip() const { return ended(); }
  PYSOLVE_BODY index_t n_blocks() const { return row_pieces(A.n).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE double operator()(const Place& at) const {
    const T a = T(alpha());
    double rr = 0;
    over_cells<Weights, T>(A, p, at, [&](index_t c, T here, T product) {
      const T rest = r[c] - a * product;
      x[c] += a * here;
      r[c] = rest;
      rr += squared(rest);
    });
    return rr;
  }
};

struct advance_rho {
  double* state;
  PYSOLVE_BODY void operator()(double rho) const {
    const double before = state[advance::rho];
    state[advance::rho] = rho;
    state[advance::beta] = before > 0 ? rho / before : 0;
  }
};

template <class T>
struct advance_aim {
  double* state;
  PYSOLVE_BODY void operator()(pair_sum p) const {
    const double rho = state[advance::rho];
    const bool tells = p.first > 0 && rho > 0;
    const double curvature = tells ? p.second / p.first : no_number;
    const double alpha = p.second > state[advance::floor] * p.first ? rho / p.second : 0;
    state[advance::curvature] = curvature;
    state[advance::alpha] = alpha;
    if (!(alpha > 0 && is_number(double(T(alpha)))))
      state[advance::end] = double(int(is_number(curvature) ? run_end::not_positive : run_end::not_finite));
  }
};

struct advance_step {
  double* state;
  PYSOLVE_BODY void operator()(double rr) const {
    const double norm = std::sqrt(rr), done = state[advance::n_steps];
    state[advance::norms + index_t(done)] = norm;
    state[advance::n_steps] = done + 1;
    if (!is_number(rr))
      state[advance::end] = double(int(run_end::not_finite));
    else if (norm <= state[advance::tolerance])
      state[advance::end] = double(int(run_end::tolerance));
  }
};

template <class Queue, class T>
void run_advance(Queue& queue, const grid<T>& A, const T* z, T* x, T* r, T* p, double* state, index_t n_state,
                 double* work) {
  const sum_place sums{work + 1, reinterpret_cast<unsigned*>(work)};
  const step_end ended{state, n_state};
  const number beta{0, state + advance::beta}, alpha{0, state + advance::alpha};
  queue.finish(sums, dot_body<T>{r, z, A.size(), ended}, advance_rho{state});
  queue.run(toward_body<T>{z, p, A.size(), beta, ended});
  with_weights(A, [&]<class W>() {
    queue.finish(sums, energy_body<W, T>{A, p, ended}, advance_aim<T>{state});
    queue.finish(sums, along_body<W, T>{A, x, r, p, alpha, ended}, advance_step{state});
  });
}

}  // namespace pysolve::PYSOLVE_BACKEND
