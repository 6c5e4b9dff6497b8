// Where a run of sor or ssor_cg stands on a device, what brings it on, and how the host follows it.
//
// The scalars of a run are in device memory, where a launch of one thread's work changes them: the launches that come
// after read them there, and do nothing once the run has ended. The host looks now and then, at copies that are made
// while later launches run, so that the device never waits for it.
#pragma once
#include <cmath>
#include <limits>

#include "device_body.hpp"
#include "run_state.hpp"

namespace pysolve::PYSOLVE_BACKEND {

struct sor_course {
  run_state state;
  index_t result = 0;  // of a run of sweeps: the iterate that is handed back
  double alpha = 0, rr = 0;
};

PYSOLVE_BODY bool ended(const sor_course* course) {
  return course != nullptr && course->state.end != run_end::steps;
}

// The norm of iterate k, from the sum of squares of its residual, and what follows from it.
struct sweep_finish {
  sor_course* course;
  double* norms;
  index_t k;
  PYSOLVE_BODY void operator()(double rr) const {
    run_state& s = course->state;
    const double norm = std::sqrt(rr);
    norms[k - 1] = norm;
    s.n_steps = course->result = k;
    if (!is_number(norm)) {
      s.end = run_end::not_finite;
      course->result = k - 1;
    } else if (norm <= s.tolerance) {
      s.end = run_end::tolerance;
    }
  }
};

// *to = value, where the host has it.
template <class S>
struct put_body {
  S* to;
  S value;
  PYSOLVE_BODY index_t n_blocks() const { return 1; }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    if (at.block() == 0 && at.thread() == 0) *to = value;
  }
};

template <class T>
struct sor_copy_body {
  const T* from;
  T* to;
  index_t n;
  const sor_course* course;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    if (ended(course)) return;
    over_elements(at, n, [&](index_t i) { to[i] = from[i]; });
  }
};

// The sum of `count` parts that launches have left.
template <class S>
struct sum_of_parts_body {
  using result = S;
  const S* part;
  index_t count;
  const sor_course* course;
  PYSOLVE_BODY bool skip() const { return ended(course); }
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(count, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE S operator()(const Place& at) const {
    S total = S();
    over_elements(at, count, [&](index_t i) { total += part[i]; });
    return total;
  }
};

constexpr index_t launches_between_looks = 48;

// A run's course on the device, its norms, and the host's looks at it. step(k) launches step k; no more than
// course.state.n_steps of them are launched, and few after the one that ends the run.
template <class Lookout, class Queue, class Step>
sor_course follow(Queue& queue, const sor_course* course, index_t most, index_t launches_of_step,
                  Step&& step) {
  Lookout looks(queue.name());
  index_t since = 0;
  for (index_t k = 0; k < most; ++k) {
    step(k);
    since += launches_of_step;
    if (since < launches_between_looks || k + 1 == most) continue;
    since = 0;
    if (looks.under_way() == 2) {
      const sor_course seen = looks.receive();
      if (seen.state.end != run_end::steps) break;
    }
    looks.send(course);
  }
  while (looks.under_way() > 0) looks.receive();
  return queue.fetch(course);
}

}  // namespace pysolve::PYSOLVE_BACKEND
