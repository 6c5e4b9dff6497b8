// The course of a whole solve over the runs of sor and ssor_cg, whatever the backend: the host's part of it. Included by
// sor_solve.cpp and sor_solve.cu.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "csr.hpp"
#include "sor_solve.hpp"
#include "sor_stencil.hpp"
#include "stencil.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// As in pysolve._stopping, _iterate and _sor_steps.
constexpr index_t check_every = 50;         // steps between two looks at the true residual
constexpr index_t many_unknowns = 1 << 24;  // from which on a look comes every 10 steps
constexpr double gap = 2.0;      // a true residual this many times the one of the run is another one
constexpr double growth = 1e10;  // of the residual: divergence
constexpr double smallest_norm = 1e-10,
                 largest_norm = 1e10;  // right-hand sides beyond these are scaled by the caller

// norm(b) from its square where b, of n values, is in the range that needs no scaling and not 0, else 0.
inline double plain_norm(double squares, index_t n) {
  const double norm = std::sqrt(squares);
  return norm > smallest_norm * std::sqrt(double(n)) && norm < largest_norm ? norm : 0;  // NaN and inf: 0
}

// Where sweeps stood a while ago. They stand still if a third more of them, and 50 at least, have brought less than a
// hundredth: that may be rounding, and if it is none, the end is far.
struct progress_mark {
  index_t done;
  double least;
  bool stands_still(index_t now, double least_now) {
    if (now < done + std::max(check_every, done / 3)) return false;
    const bool still = least_now > 0.99 * least;
    *this = {now, least_now};
    return still;
  }
};

// Steps is one method on one system: residual() -> norm(b - A x), left in a buffer; restart() takes that buffer for
// r; run(norms, state) -> up to state.n_steps steps.
template <class Steps>
solve_report solve_whole(Steps&& steps, double norm_b, const solve_control& control) {
  solve_report report;
  if (!(norm_b > 0)) return report;
  report.tolerance = std::max(control.rtol * norm_b, control.atol);
  std::vector<double>& norms = report.norms;
  norms.push_back(steps.residual());
  const double first = norms[0];
  if (!std::isfinite(first)) return report;
  if (first <= report.tolerance) {
    report.end = solve_end::converged;
    return report;
  }
  steps.restart();
  run_state state;
  state.tolerance = report.tolerance;
  state.floor = steps.floor();
  double least = first;
  progress_mark mark{0, first};
  for (index_t done = 0; done < control.maxiter;) {
    if (!control.may_go_on()) return report;
    state.n_steps = std::min(steps.n < many_unknowns ? check_every : index_t(10), control.maxiter - done);
    norms.resize(done + 1 + state.n_steps);
    steps.run(norms.data() + done + 1, state);
    done += state.n_steps;
    norms.resize(done + 1);
    if (state.end != run_end::steps && state.end != run_end::tolerance) return report;
    least = std::min(least, *std::min_element(norms.end() - state.n_steps, norms.end()));
    const double recurred = norms.back(), truth = norms.back() = steps.residual();
    if (truth <= report.tolerance) {
      report.end = solve_end::converged;
      return report;
    }
    if (state.end == run_end::tolerance || !(truth <= gap * recurred) || truth > growth * first)
      return report;
    if (!steps.method.conjugate_gradients && mark.stands_still(done, least)) return report;
  }
  report.end = solve_end::maxiter;
  return report;
}

// What both methods have in common: A is a matrix or a stencil operator, `kernels` calls what is made for it.
template <class Kernels, class T>
struct relaxation {
  const Kernels& kernels;
  const T* b;
  T *x, *work;
  const solve_method& method;
  index_t n;
  T* r = work;
  T* buffer = work + n;

  double residual() { return std::sqrt(kernels.residual(b, x, buffer)); }
  double floor() const {
    return double(std::numeric_limits<real_t<T>>::epsilon()) * kernels.norm() / std::sqrt(double(n));
  }
  void restart() { std::swap(r, buffer); }
  void run(double* norms, run_state& state) {
    if (method.conjugate_gradients)
      kernels.ssor_cg(method.omega, x, r, work + 2 * n, norms, state);
    else
      kernels.sor(b, x, method, norms, state);
  }
};

template <class I, class T>
struct csr_kernels {
  const sor_split<T>& split;
  const csr<I, T>& A;
  double norm() const { return split.norm; }
  double residual(const T* b, const T* x, T* r) const { return csr_residual(A, b, x, r); }
  void sor(const T* b, T* x, const solve_method& m, double* norms, run_state& state) const {
    sor_run_csr(split, b, x, m.omega, m.direction, norms, state);
  }
  void ssor_cg(double omega, T* x, T* r, T* work, double* norms, run_state& state) const {
    ssor_cg_run_csr(split, omega, x, r, work, norms, state);
  }
};

template <class T>
struct stencil_kernels {
  const grid<T>& A;
  double norm() const { return 0; }  // it has no null space, or it would not come here
  double residual(const T* b, const T* x, T* r) const { return stencil_residual(A, b, x, r); }
  void sor(const T* b, T* x, const solve_method& m, double* norms, run_state& state) const {
    sor_run_stencil(A, b, x, m.omega, m.direction, m.order, norms, state);
  }
  void ssor_cg(double omega, T* x, T* r, T* work, double* norms, run_state& state) const {
    ssor_cg_run_stencil(A, omega, x, r, work, norms, state);
  }
};

// `squares`: those of b, summed.
template <class Kernels, class T>
solve_report solve(const Kernels& kernels, double squares, const T* b, T* x, T* work, index_t n,
                   const solve_method& method, const solve_control& control) {
  return solve_whole(relaxation<Kernels, T>{kernels, b, x, work, method, n}, plain_norm(squares, n), control);
}

}  // namespace pysolve::PYSOLVE_BACKEND
