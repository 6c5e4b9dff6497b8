// A run's course in device memory. Included by .cu files, after the queue that they launch with.
#pragma once
#include "sor_course.hpp"

namespace pysolve::PYSOLVE_BACKEND {

template <class Queue, template <class> class Scratch>
struct course_memory {
  Scratch<sor_course> memory;
  course_memory(Queue& q, const run_state& state) : memory(1, q.name()) {
    sor_course start;
    start.state = state;
    start.state.n_steps = 0;
    start.state.end = run_end::steps;
    q.run(put_body<sor_course>{memory.data(), start});
  }
  sor_course* get() const { return memory.data(); }
};

}  // namespace pysolve::PYSOLVE_BACKEND
