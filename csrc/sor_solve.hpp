// Whole solves over the runs of sor and ssor_cg in one call, for arguments that need no second look: what small systems
// and time steps want. They go the way that pysolve._stopping goes: the residual is computed anew every check_every
// steps and at the end, and only that one can say that x meets the tolerance. Whatever is out of the ordinary ends
// one as `unclear`: the caller then starts over in the general way, which has an answer to each case.
#pragma once
#include <vector>

#include "sor.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// In the memory that a solve is given: the residual twice, five of a run.
constexpr index_t solve_vectors = 7;

enum class solve_end : int { converged = 0, maxiter = 1, unclear = 2 };

struct solve_report {
  std::vector<double> norms;  // of the residual before the first step and after each
  double tolerance = 0;
  solve_end end = solve_end::unclear;
};

struct solve_control {
  double rtol, atol;
  index_t maxiter;
  bool (*may_go_on)();  // asked at every look at the residual; false ends the solve as unclear
};

// What to do: sweeps in a direction, or conjugate gradients preconditioned with the symmetric sweep.
struct solve_method {
  double omega;
  bool conjugate_gradients;
  sor_direction direction;
  sor_order order;  // of a stencil operator; a split has its own
};

// Solves A x = b from x; `work` has solve_vectors n values. A is the matrix that was split. Where the end is not
// `unclear`, x is the solution or, at maxiter, the last iterate, and norms.back() is norm(b - A x).
template <class I, class T>
solve_report sor_solve_csr(const sor_split<T>& split, const csr<I, T>& A, const T* b, T* x, T* work,
                           const solve_method& method, const solve_control& control);
template <class T>
solve_report sor_solve_stencil(const grid<T>& A, const T* b, T* x, T* work, const solve_method& method,
                               const solve_control& control);

}  // namespace pysolve::PYSOLVE_BACKEND
