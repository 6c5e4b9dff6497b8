// Where a compiled run of steps of a solver stands: handed in, and handed back changed.
#pragma once
#include "view.hpp"

namespace pysolve::PYSOLVE_BACKEND {

enum class run_end : int { steps = 0, tolerance = 1, not_positive = 2, not_finite = 3 };
struct run_state {
  double rho = 0;        // r^H M r; 0: not yet known
  double beta = 0;       // the next direction is M r + beta p; 0: a new start, p must be finite
  double tolerance = 0;  // stop when norm(r) of the recurrence is at most this
  double floor = 0;      // stop when p^H A p <= floor p^H p: A is singular or indefinite along p
  index_t n_steps = 0;   // at most this many; on return, how many were done
  run_end end = run_end::steps;
  double curvature = 0;  // p^H A p / p^H p of the last direction
};

}  // namespace pysolve::PYSOLVE_BACKEND
