#include <cmath>
#include <variant>

#include "bind.hpp"
#include "sor.hpp"
#include "sor_arguments_bind.hpp"
#include "sor_solve_bind.hpp"
#include "sor_split_bind.hpp"
#include "sor_stencil_bind.hpp"

namespace pysolve::bind {
namespace {

namespace backend = pysolve::PYSOLVE_BACKEND;

void check_omega(double omega) {
  if (!(omega > 0) || !std::isfinite(omega)) throw py::value_error("omega must be a positive number");
}

// rows point into the matrix: checked here where that costs no copy from a device.
void check_rows([[maybe_unused]] const vec<const index_t>& rows, [[maybe_unused]] index_t n) {
#if defined(PYSOLVE_BACKEND_cpu)
  for (index_t k = 0; k < rows.size; ++k)
    if (rows.data[k] < 0 || rows.data[k] >= n)
      throw py::value_error("rows must lie in [0, " + std::to_string(n) + "), not " +
                            std::to_string(rows.data[k]));
#endif
}

void sweep_csr(py::handle indptr, py::handle indices, py::handle data, py::handle rows, py::handle b,
               py::handle x, double omega) {
  with_index(indptr, "indptr", [&]<class I>() {
    with_value(data, "data", [&]<class T>() {
      const csr<I, T> A = view_csr<I, T>(indptr, indices, data, info_of(x, "x").size);
      const vec<const index_t> set = view<const index_t>(rows, "rows");
      const vec<const T> right = view<const T>(b, "b", A.n_rows);
      const vec<T> solution = view<T>(x, "x", A.n_rows);
      check_omega(omega);
      check_rows(set, A.n_rows);
      without_gil([&] { backend::sor_sweep_csr(A, set.data, set.size, right.data, solution.data, omega); });
    });
  });
}

template <class T>
using split_ptr = std::unique_ptr<backend::sor_split<T>>;
using state = backend::run_state;

// A sor_split of whichever type.
struct split_handle {
  std::variant<split_ptr<float>, split_ptr<double>, split_ptr<std::complex<float>>,
               split_ptr<std::complex<double>>>
      split;
#if defined(PYSOLVE_BACKEND_cuda)
  int device = cuda::call::device();  // of its arrays
#endif
};

template <class F>
auto with_split(const split_handle& handle, F&& f) {
  return std::visit([&](const auto& split) { return f(*split); }, handle.split);
}

// The same, to run it: a split with a fault has no rows to run over.
template <class F>
auto with_sound_split(const split_handle& handle, F&& f) {
#if defined(PYSOLVE_BACKEND_cuda)
  const std::string fault = cuda::call::add_device("split", handle.device);
  if (!fault.empty()) throw py::type_error(fault);
#endif
  return with_split(handle, [&]<class T>(const backend::sor_split<T>& A) {
    if (A.fault.kind != backend::sor_fault::none)
      throw py::value_error("split has a fault: see its attribute");
    return f.template operator()<T>(A);
  });
}

split_handle make_split(py::handle indptr, py::handle indices, py::handle data, const std::string& order) {
  const backend::sor_order kind = order_of(order);
  return with_index(indptr, "indptr", [&]<class I>() {
    return with_value(data, "data", [&]<class T>() {
      csr<I, T> A = view_csr<I, T>(indptr, indices, data, 0);
      A.n_cols = A.n_rows;
      const index_t nnz = info_of(data, "data").size;
      return split_handle{without_gil([&] { return std::make_unique<backend::sor_split<T>>(A, nnz, kind); })};
    });
  });
}

bool update_split(const split_handle& handle, py::handle indptr, py::handle indices, py::handle data) {
  return std::visit(
      [&]<class T>(const split_ptr<T>& split) {
        return with_index(indptr, "indptr", [&]<class I>() {
          if (!holds<T>(info_of(data, "data"))) return false;
          const csr<I, T> A = view_csr<I, T>(indptr, indices, data, 0);
          const index_t nnz = info_of(data, "data").size;
          return without_gil([&] { return split->update(A, nnz); });
        });
      },
      handle.split);
}

void run_csr(const split_handle& handle, py::handle b, py::handle x, double omega, int sweep,
             py::handle norms, state& s) {
  check_omega(omega);
  const backend::sor_direction direction = direction_of(sweep);
  with_sound_split(handle, [&]<class T>(const backend::sor_split<T>& A) {
    const vec<const T> right = view<const T>(b, "b", A.n);
    const vec<T> solution = view<T>(x, "x", A.n);
    state own = s;  // as it was checked, whatever other threads set meanwhile
    double* found = norms_of(norms, own);
    without_gil([&] { backend::sor_run_csr(A, right.data, solution.data, omega, direction, found, own); });
    s = own;
  });
}

void cg_run_csr(const split_handle& handle, double omega, py::handle x, py::handle r, py::handle work,
                py::handle norms, state& s) {
  check_omega(omega);
  with_sound_split(handle, [&]<class T>(const backend::sor_split<T>& A) {
    const vec<T> solution = view<T>(x, "x", A.n), residual = view<T>(r, "r", A.n);
    const vec<T> kept = view<T>(work, "work", 5 * A.n);
    state own = s;
    double* found = norms_of(norms, own);
    without_gil(
        [&] { backend::ssor_cg_run_csr(A, omega, solution.data, residual.data, kept.data, found, own); });
    s = own;
  });
}

void precondition_csr(const split_handle& handle, double omega, py::handle r, py::handle z) {
  check_omega(omega);
  with_sound_split(handle, [&]<class T>(const backend::sor_split<T>& A) {
    const vec<const T> in = view<const T>(r, "r", A.n);
    const vec<T> out = view<T>(z, "z", A.n);
    without_gil([&] { backend::sor_precondition_csr(A, omega, in.data, out.data); });
  });
}

py::tuple solve_csr(const split_handle& handle, py::handle indptr, py::handle indices, py::handle data,
                    py::handle b, py::handle x, py::handle work, double omega, py::object sweep, double rtol,
                    double atol, index_t maxiter) {
  const auto method = solve_method_of(omega, sweep, "natural");
  return with_sound_split(handle, [&]<class T>(const backend::sor_split<T>& A) {
    return with_index(indptr, "indptr", [&]<class I>() {
      return solve_split<I, T>(A, indptr, indices, data, b, x, work, method,
                               solve_control_of(rtol, atol, maxiter));
    });
  });
}

template <class F>
auto property(F f) {
  return [f](const split_handle& handle) { return with_split(handle, f); };
}

void bind_split(kernel_module& m) {
  constexpr const char* faults[] = {"none", "indptr", "index", "value", "duplicate", "diagonal"};
  py::class_<split_handle>(m, "SorSplit", "A matrix split into L + D + U for sweeps in an order",
                           py::module_local())
      .def(py::init(&make_split), py::arg("indptr"), py::arg("indices"), py::arg("data"), py::arg("order"),
           kernel_guard())
      .def("update", &update_split, "Take new values; False where the pattern is another", py::arg("indptr"),
           py::arg("indices"), py::arg("data"), kernel_guard())
      .def_property_readonly("fault", property([faults](const auto& A) { return faults[int(A.fault.kind)]; }))
      .def_property_readonly("row", property([](const auto& A) { return A.fault.row; }))
      .def_property_readonly("column", property([](const auto& A) { return A.fault.column; }))
      .def_property_readonly("value", property([](const auto& A) { return A.fault.value; }))
      .def_property_readonly("n", property([](const auto& A) { return A.n; }))
      .def_property_readonly("n_levels", property([](const auto& A) { return A.n_levels; }))
      .def_property_readonly("n_colors", property([](const auto& A) { return A.n_colors; }))
      .def_property_readonly("nbytes", property([](const auto& A) { return A.bytes(); }))
      .def_property_readonly("norm", property([](const auto& A) { return A.norm; }))
      .def_property_readonly("symmetric", property([](const auto& A) { return A.symmetric; }))
      .def_property_readonly("asymmetry", property([](const auto& A) { return A.asymmetry; }));
  m.def("sor_run_csr", &run_csr, "Sweeps on x, and the norm of every residual", py::arg("split"),
        py::arg("b"), py::arg("x"), py::arg("omega"), py::arg("sweep"), py::arg("norms"), py::arg("state"));
  m.def("ssor_cg_run_csr", &cg_run_csr, "Iterations of CG preconditioned by SSOR", py::arg("split"),
        py::arg("omega"), py::arg("x"), py::arg("r"), py::arg("work"), py::arg("norms"), py::arg("state"));
  m.def("sor_precondition_csr", &precondition_csr, "z = M^-1 r, the SSOR preconditioner", py::arg("split"),
        py::arg("omega"), py::arg("r"), py::arg("z"));
  m.def("sor_solve_csr", &solve_csr, "A whole solve: its end, the norms of its residuals, and its tolerance",
        py::arg("split"), py::arg("indptr"), py::arg("indices"), py::arg("data"), py::arg("b"), py::arg("x"),
        py::arg("work"), py::arg("omega"), py::arg("sweep").none(true), py::arg("rtol"), py::arg("atol"),
        py::arg("maxiter"));
  m.def("sor_solve_stencil", &solve_stencil,
        "A whole solve: its end, the norms of its residuals, and its tolerance", py::arg("grid"),
        py::arg("order"), py::arg("b"), py::arg("x"), py::arg("work"), py::arg("omega"),
        py::arg("sweep").none(true), py::arg("rtol"), py::arg("atol"), py::arg("maxiter"));
}

}  // namespace

void bind_sor(kernel_module& m) {
  m.def("sor_sweep_csr", &sweep_csr, "Relax rows that do not depend on each other", py::arg("indptr"),
        py::arg("indices"), py::arg("data"), py::arg("rows"), py::arg("b"), py::arg("x"), py::arg("omega"));
  bind_split(m);
  bind_sor_stencil(m);
}

}  // namespace pysolve::bind
