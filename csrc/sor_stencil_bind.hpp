// The bindings of sor's kernels for stencil operators, included by sor_bind.cpp.
#pragma once
#include "sor_arguments_bind.hpp"
#include "sor_stencil.hpp"
#include "stencil_bind.hpp"

namespace pysolve::bind::sor_stencil {

namespace backend = pysolve::PYSOLVE_BACKEND;

template <class A, class B>
void check_apart(const vec<A>& a, const char* a_name, const vec<B>& b, const char* b_name) {
  const auto *first = reinterpret_cast<const char*>(a.data), *second = reinterpret_cast<const char*>(b.data);
  if (first < second + b.size * index_t(sizeof(B)) && second < first + a.size * index_t(sizeof(A)))
    throw py::value_error(std::string(a_name) + " and " + b_name + " must not overlap");
}

template <class T>
void check_colours(const grid<T>& A) {
  const int axis = backend::sor_uncolourable_axis(A);
  if (axis >= 0)
    throw py::value_error("order 'multicolor' needs an even extent along a periodic axis, but axis " +
                          std::to_string(axis) + " of (" + std::to_string(A.n[0]) + ", " +
                          std::to_string(A.n[1]) + ", " + std::to_string(A.n[2]) + ") is odd");
}

inline void sweep(const stencil_handle& handle, py::handle b, py::handle x, double omega, int colour) {
  check_relaxation(omega);
  if (colour != 0 && colour != 1) throw py::value_error("colour must be 0 or 1");
  with_grid(handle, [&]<class T>(const grid<T>& A) {
    const vec<const T> right = view<const T>(b, "b", A.size());
    const vec<T> solution = view<T>(x, "x", A.size());
    check_apart(right, "b", solution, "x");
    check_colours(A);
    without_gil([&] { backend::sor_sweep_stencil(A, right.data, solution.data, omega, colour); });
  });
}

using state = backend::run_state;

inline void run(const stencil_handle& handle, py::handle b, py::handle x, double omega, int sweep_kind,
                const std::string& order, py::handle norms, state& s) {
  check_relaxation(omega);
  const backend::sor_direction direction = direction_of(sweep_kind);
  const backend::sor_order kind = order_of(order);
  with_grid(handle, [&]<class T>(const grid<T>& A) {
    const vec<const T> right = view<const T>(b, "b", A.size());
    const vec<T> solution = view<T>(x, "x", A.size());
    state own = s;  // as it was checked, whatever other threads set meanwhile
    double* found = norms_of(norms, own);
    check_apart(right, "b", solution, "x");
    if (kind == backend::sor_order::multicolor) check_colours(A);
    without_gil(
        [&] { backend::sor_run_stencil(A, right.data, solution.data, omega, direction, kind, found, own); });
    s = own;
  });
}

inline void precondition(const stencil_handle& handle, double omega, py::handle r, py::handle z) {
  check_relaxation(omega);
  with_grid(handle, [&]<class T>(const grid<T>& A) {
    const vec<const T> in = view<const T>(r, "r", A.size());
    const vec<T> out = view<T>(z, "z", A.size());
    check_apart(in, "r", out, "z");
    without_gil([&] { backend::sor_precondition_stencil(A, omega, in.data, out.data); });
  });
}

inline void cg_run(const stencil_handle& handle, double omega, py::handle x, py::handle r, py::handle work,
                   py::handle norms, state& s) {
  check_relaxation(omega);
  with_grid(handle, [&]<class T>(const grid<T>& A) {
    const vec<T> solution = view<T>(x, "x", A.size()), residual = view<T>(r, "r", A.size());
    const vec<T> kept = view<T>(work, "work", 5 * A.size());
    state own = s;  // as it was checked, whatever other threads set meanwhile
    double* found = norms_of(norms, own);
    check_apart(solution, "x", residual, "r");
    check_apart(solution, "x", kept, "work");
    check_apart(residual, "r", kept, "work");
    without_gil(
        [&] { backend::ssor_cg_run_stencil(A, omega, solution.data, residual.data, kept.data, found, own); });
    s = own;
  });
}

}  // namespace pysolve::bind::sor_stencil

namespace pysolve::bind {

inline void bind_sor_stencil(kernel_module& m) {
  m.def("sor_sweep_stencil", &sor_stencil::sweep, "relaxes the cells of one colour", py::arg("grid"),
        py::arg("b"), py::arg("x"), py::arg("omega"), py::arg("colour"));
  m.def("sor_run_stencil", &sor_stencil::run, "sweeps of sor with a stencil operator", py::arg("grid"),
        py::arg("b"), py::arg("x"), py::arg("omega"), py::arg("sweep"), py::arg("order"), py::arg("norms"),
        py::arg("state"));
  m.def("sor_precondition_stencil", &sor_stencil::precondition, "z = M^-1 r with the SSOR preconditioner",
        py::arg("grid"), py::arg("omega"), py::arg("r"), py::arg("z"));
  m.def("ssor_cg_run_stencil", &sor_stencil::cg_run, "SSOR-preconditioned CG steps with a stencil operator",
        py::arg("grid"), py::arg("omega"), py::arg("x"), py::arg("r"), py::arg("work"), py::arg("norms"),
        py::arg("state"));
}

}  // namespace pysolve::bind
