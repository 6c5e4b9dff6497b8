// Whole runs of conjugate gradients on a device, without waiting for it: their numbers are in its memory, written by the
// launch that completes a sum, and read by the next launches, which do nothing once the run has ended. The host looks
// at a copy every few steps. The loop, and what it does with each number, is that of conjugate_directions_run.hpp.
//
// A system knows its vectors, and launches
//   norms(queue, sums, s)      r^H r and r^H M r; the first rho
//   step(queue, sums, s, k)    one iteration, the k-th of the run
//   rest(queue, s)             what x is still to be moved by, and p into the caller's array
#pragma once
#include "conjugate_directions.hpp"
#include "device_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// Steps between two looks. At each the host waits for those before the last look, so that at most twice as many launches
// are idle at the end, and the device never is.
constexpr index_t look_every = 8;

struct pair_sum {
  double first = 0, second = 0;
  PYSOLVE_BODY pair_sum& operator+=(const pair_sum& o) {
    first += o.first;
    second += o.second;
    return *this;
  }
};

// What is added to x: p p + z M r. It takes two steps at a time (see conjugate_directions_run.hpp).
struct x_step {
  double p = 0, z = 0;
  PYSOLVE_BODY bool moves() const { return p != 0 || z != 0; }
};
constexpr double least_beta = 1e-2, most_beta = 1e2;

struct run_numbers {
  double rho = 0, beta = 0, tolerance = 0, floor = 0, curvature = 0, alpha = 0;
  double owed = 0;   // x is still to be moved by owed p
  double late = 0;   // x is to be moved by so much of p before p is made anew
  x_step now, rest;  // with this step, and where the run ends here
  index_t most = 0, n_steps = 0, n_directions = 0;
  int end = 0;
  double recent[look_every] = {};  // norm(r) after step k is at k % look_every
};

struct first_rho {
  run_numbers* s;
  PYSOLVE_BODY void operator()(pair_sum r) const { s->rho = r.second; }
};

// Why no step can be taken; p holds p^H p and p^H A p. run_end::steps if one can.
template <class real>
PYSOLVE_BODY run_end fault(pair_sum p, double rho, double floor, double step) {
  if (!is_number(p.second) || !is_number(rho)) return run_end::not_finite;
  if (!(p.second > floor * p.first)) return run_end::not_positive;
  return is_number(double(real(step))) ? run_end::steps : run_end::not_finite;
}

template <class real>
struct aimed {
  run_numbers* s;
  PYSOLVE_BODY void operator()(pair_sum p) const {
    const double owed = s->owed,
                 before = owed != 0 ? owed / s->beta : 0;  // x's debt in the letters of this p
    const double alpha = s->rho / p.second;
    const bool moves = owed != 0 || s->n_steps + 1 == s->most;
    ++s->n_directions;
    s->curvature = p.second / p.first;
    s->alpha = alpha;
    s->end = int(fault<real>(p, s->rho, s->floor, alpha + before));
    s->rest = x_step{before, -before};
    s->now = moves ? x_step{alpha + before, -before} : x_step();
    s->owed = moves ? 0 : alpha;
  }
};

struct stepped {
  run_numbers* s;
  PYSOLVE_BODY void operator()(pair_sum r) const {
    const double norm = std::sqrt(r.first), beta = r.second / s->rho, owed = s->owed;
    s->recent[s->n_steps++ % look_every] = norm;
    s->beta = beta;
    s->rho = r.second;
    if (!is_number(r.first) || !is_number(r.second))
      s->end = int(run_end::not_finite);
    else if (norm <= s->tolerance)
      s->end = int(run_end::tolerance);
    s->rest = x_step{owed, 0};
    const bool in_range = beta >= least_beta && beta <= most_beta;
    s->late = in_range ? 0 : owed;
    s->owed = in_range ? owed : 0;
  }
};

// M r at i, with the inverse diagonal d, or r itself.
template <class T>
struct preconditioned {
  using real = real_t<T>;
  const T* r;
  const real* d;
  PYSOLVE_BODY real weight(index_t i) const { return d ? d[i] : real(1); }
  PYSOLVE_BODY T operator()(index_t i) const { return weight(i) * r[i]; }
};
// r^H r and r^H M r of one value.
template <class T>
PYSOLVE_BODY pair_sum squares(T r, real_t<T> weight) {
  const double square = squared(r);
  return {square, square * double(weight)};
}

template <class T>
struct run_norms_body {
  using result = pair_sum;
  preconditioned<T> z;
  index_t n;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE result operator()(const Place& at) const {
    result s;
    over_elements(at, n, [&](index_t i) { s += squares(z.r[i], z.weight(i)); });
    return s;
  }
};

// x += rest.p p + rest.z M r, where p is the one of the two arrays that holds it; then it is in the first. 4 n v bytes.
template <class T>
struct run_rest_body {
  preconditioned<T> z;
  T *x, *p;
  const T* other;  // or null
  index_t n;
  const run_numbers* s;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    using real = real_t<T>;
    const x_step step = s->rest;
    const bool moved = other && s->n_directions % 2 == 1;
    if (!moved && !step.moves()) return;
    over_elements(at, n, [&](index_t i) {
      const T here = moved ? other[i] : p[i];
      if (step.p != 0) x[i] += real(step.p) * here;
      if (step.z != 0) x[i] += real(step.z) * z(i);  // else M r may be beyond the numbers
      if (moved) p[i] = here;
    });
  }
};

inline run_numbers numbers_of(const run_state& state) {
  run_numbers n;
  n.rho = state.rho;
  n.beta = state.beta;
  n.tolerance = state.tolerance;
  n.floor = state.floor;
  n.most = state.n_steps;
  return n;
}

// Looks at copies of the numbers as they come in.
template <class Lookout>
struct run_watch {
  Lookout copies;
  double* norms;
  run_numbers seen = {};
  index_t n_seen = 0;
  void look() {
    seen = copies.receive();
    for (; n_seen < seen.n_steps; ++n_seen) norms[n_seen] = seen.recent[n_seen % look_every];
  }
};

// Queue, and the memories that go with it: those of cuda.cuh, or simulated. Waits at the end.
template <class Lookout, class Queue, class System>
void run_cg(Queue& queue, const sum_place& sums, run_numbers* s, const System& system, double* norms,
            run_state& state) {
  queue.run(store_body<run_numbers>{numbers_of(state), s});
  if (!(state.rho > 0)) system.norms(queue, sums, s);
  run_watch<Lookout> watch{Lookout(queue.name()), norms};
  for (index_t k = 0; k < state.n_steps && watch.seen.end == 0;) {
    system.step(queue, sums, s, k++);
    if (k % look_every != 0) continue;
    if (watch.copies.under_way() > 0) watch.look();
    watch.copies.send(s);
  }
  while (watch.copies.under_way() > 0) watch.look();
  system.rest(queue, s);
  watch.copies.send(s);
  watch.look();
  const run_numbers& end = watch.seen;
  state.rho = end.rho;
  state.beta = end.beta;
  state.curvature = end.curvature;
  state.n_steps = end.n_steps;
  state.end = run_end(end.end);
}

}  // namespace pysolve::PYSOLVE_BACKEND
