#include "csr.hpp"

#include "bind.hpp"

namespace pysolve::bind {
namespace {

namespace backend = pysolve::PYSOLVE_BACKEND;

// f.template operator()<I, T>(A) for the matrix in the three arrays.
template <class F>
auto with_csr(py::handle indptr, py::handle indices, py::handle data, index_t n_cols, F&& f) {
  return with_index(indptr, "indptr", [&]<class I>() {
    return with_value(data, "data", [&]<class T>() {
      return f.template operator()<I, T>(view_csr<I, T>(indptr, indices, data, n_cols));
    });
  });
}

void matvec(py::handle indptr, py::handle indices, py::handle data, py::handle x, py::handle y) {
  with_csr(indptr, indices, data, info_of(x, "x").size, [&]<class I, class T>(const csr<I, T>& A) {
    const vec<const T> in = view<const T>(x, "x");
    const vec<T> out = view<T>(y, "y", A.n_rows);
    without_gil([&] { backend::csr_matvec(A, in.data, out.data); });
  });
}

py::object matvec_dot(py::handle indptr, py::handle indices, py::handle data, py::handle x, py::handle y) {
  return with_csr(indptr, indices, data, info_of(x, "x").size, [&]<class I, class T>(const csr<I, T>& A) {
    const vec<const T> in = view<const T>(x, "x", A.n_rows);
    const vec<T> out = view<T>(y, "y", A.n_rows);
    return py::object(py::cast(without_gil([&] { return backend::csr_matvec_dot(A, in.data, out.data); })));
  });
}

double residual(py::handle indptr, py::handle indices, py::handle data, py::handle b, py::handle x,
                py::handle r) {
  return with_csr(indptr, indices, data, info_of(x, "x").size, [&]<class I, class T>(const csr<I, T>& A) {
    const vec<const T> right = view<const T>(b, "b", A.n_rows);
    const vec<const T> in = view<const T>(x, "x");
    const vec<T> out = view<T>(r, "r", A.n_rows);
    return without_gil([&] { return backend::csr_residual(A, right.data, in.data, out.data); });
  });
}

py::dict check(py::handle indptr, py::handle indices, py::handle data, index_t n_cols) {
  return with_csr(indptr, indices, data, n_cols, [&]<class I, class T>(const csr<I, T>& A) {
    const index_t nnz = info_of(data, "data").size;
    const backend::csr_report report = without_gil([&] { return backend::csr_check(A, nnz); });
    constexpr const char* faults[] = {"", "indptr", "index", "value"};
    py::dict out;
    out["fault"] = faults[int(report.fault)];
    out["position"] = report.position;
    out["asymmetry"] = report.asymmetry;
    out["frobenius"] = report.frobenius;
    out["max_row_sum"] = report.max_row_sum;
    return out;
  });
}

}  // namespace

void bind_csr(kernel_module& m) {
  m.def("csr_matvec", &matvec, "y = A x", py::arg("indptr"), py::arg("indices"), py::arg("data"),
        py::arg("x"), py::arg("y"));
  m.def("csr_matvec_dot", &matvec_dot, "y = A x, returns x^H y", py::arg("indptr"), py::arg("indices"),
        py::arg("data"), py::arg("x"), py::arg("y"));
  m.def("csr_residual", &residual, "r = b - A x, returns r^H r", py::arg("indptr"), py::arg("indices"),
        py::arg("data"), py::arg("b"), py::arg("x"), py::arg("r"));
  m.def("csr_check", &check, "What is wrong with a matrix from outside: first fault, asymmetry, norms",
        py::arg("indptr"), py::arg("indices"), py::arg("data"), py::arg("n_cols"));
}

}  // namespace pysolve::bind
