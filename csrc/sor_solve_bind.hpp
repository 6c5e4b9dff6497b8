// Bindings of the whole solves; included by sor_bind.cpp.
#pragma once
#include <algorithm>

#include "sor_solve.hpp"
#include "sor_split_bind.hpp"
#include "sor_stencil_bind.hpp"

namespace pysolve::bind {

// A sweep of None stands for conjugate gradients.
inline PYSOLVE_BACKEND::solve_method solve_method_of(double omega, py::object sweep,
                                                     const std::string& order) {
  check_relaxation(omega);
  const bool conjugate_gradients = sweep.is_none();
  return {omega, conjugate_gradients, direction_of(conjugate_gradients ? 0 : sweep.cast<int>()),
          order_of(order)};
}

// Ctrl-C ends a solve: the exception that a signal's handler raised is left for the caller to throw.
inline bool no_signal() {
  py::gil_scoped_acquire acquire;
  return PyErr_CheckSignals() == 0;
}
inline PYSOLVE_BACKEND::solve_control solve_control_of(double rtol, double atol, index_t maxiter) {
  return {rtol, atol, maxiter, &no_signal};
}

template <class T>
struct solve_vectors_of {
  const T* b;
  T *x, *work;
  solve_vectors_of(index_t n, py::handle b_, py::handle x_, py::handle work_)
      : b(view<const T>(b_, "b", n).data),
        x(view<T>(x_, "x", n).data),
        work(view<T>(work_, "work", PYSOLVE_BACKEND::solve_vectors * n).data) {}
};

inline py::tuple solve_tuple(const PYSOLVE_BACKEND::solve_report& report) {
  if (PyErr_Occurred()) throw py::error_already_set();
  constexpr const char* ends[] = {"converged", "maxiter", "unclear"};
  py::array_t<double> norms(index_t(report.norms.size()));
  std::copy(report.norms.begin(), report.norms.end(), norms.mutable_data());
  return py::make_tuple(ends[int(report.end)], norms, report.tolerance);
}

template <class I, class T>
py::tuple solve_split(const PYSOLVE_BACKEND::sor_split<T>& split, py::handle indptr, py::handle indices,
                      py::handle data, py::handle b, py::handle x, py::handle work,
                      const PYSOLVE_BACKEND::solve_method& method,
                      const PYSOLVE_BACKEND::solve_control& control) {
  const csr<I, T> A = view_csr<I, T>(indptr, indices, data, split.n);
  if (A.n_rows != split.n) throw py::value_error("the split must be that of the matrix");
  const solve_vectors_of<T> v(split.n, b, x, work);
  return solve_tuple(without_gil(
      [&] { return PYSOLVE_BACKEND::sor_solve_csr(split, A, v.b, v.x, v.work, method, control); }));
}

inline py::tuple solve_stencil(const stencil_handle& handle, const std::string& order, py::handle b,
                               py::handle x, py::handle work, double omega, py::object sweep, double rtol,
                               double atol, index_t maxiter) {
  return with_grid(handle, [&]<class T>(const grid<T>& A) {
    const solve_vectors_of<T> v(A.size(), b, x, work);
    const auto method = solve_method_of(omega, sweep, order);
    if (method.order == PYSOLVE_BACKEND::sor_order::multicolor) sor_stencil::check_colours(A);
    return solve_tuple(without_gil([&] {
      return PYSOLVE_BACKEND::sor_solve_stencil(A, v.b, v.x, v.work, method,
                                                solve_control_of(rtol, atol, maxiter));
    }));
  });
}

}  // namespace pysolve::bind
