// What the bindings of sor take beside arrays, checked and turned into what its kernels take.
#pragma once
#include <string>

#include "bind.hpp"
#include "sor.hpp"

namespace pysolve::bind {

// Of the kernels on stencil operators and of whole solves.
inline void check_relaxation(double omega) {
  if (!(omega > 0 && omega < 2)) throw py::value_error("omega must lie in (0, 2)");
}

inline PYSOLVE_BACKEND::sor_order order_of(const std::string& order) {
  if (order == "natural") return PYSOLVE_BACKEND::sor_order::natural;
  if (order == "multicolor") return PYSOLVE_BACKEND::sor_order::multicolor;
  throw py::value_error("order must be 'natural' or 'multicolor', not '" + order + "'");
}

inline PYSOLVE_BACKEND::sor_direction direction_of(int sweep) {
  if (sweep < 0 || sweep > 2)
    throw py::value_error("sweep must be 0 (forward), 1 (backward) or 2 (symmetric)");
  return PYSOLVE_BACKEND::sor_direction(sweep);
}

// Room for the norms of a run, on the host.
inline double* norms_of(py::handle norms, const PYSOLVE_BACKEND::run_state& s) {
  const vec<double> found = host_view<double>(norms, "norms");
  if (s.n_steps < 0 || found.size < s.n_steps) throw py::value_error("norms must have n_steps values");
  return found.data;
}

}  // namespace pysolve::bind
