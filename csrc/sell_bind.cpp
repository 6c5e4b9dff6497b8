#include "sell.hpp"

#include "sell_bind.hpp"

namespace pysolve::bind {
namespace {

namespace backend = pysolve::PYSOLVE_BACKEND;

void measure(py::handle indptr, py::handle indices, py::handle data, index_t n_cols, py::handle columns_of,
             py::handle gathered_of) {
  with_index(indptr, "indptr", [&]<class I>() {
    with_value(data, "data", [&]<class T>() {
      const csr<I, T> A = view_csr<I, T>(indptr, indices, data, n_cols);
      const index_t n_slices = (A.n_rows + backend::sell_rows - 1) / backend::sell_rows;
      const vec<index_t> columns = view<index_t>(columns_of, "columns_of", n_slices);
      const vec<index_t> gathered = view<index_t>(gathered_of, "gathered_of", n_slices);
      without_gil([&] { backend::sell_measure(A, columns.data, gathered.data); });
    });
  });
}

void pack(py::handle indptr, py::handle indices, py::handle data, index_t n_cols, py::handle slice_ptr,
          py::handle gather_ptr, py::handle column, py::handle packed_indices, py::handle packed_data) {
  with_index(indptr, "indptr", [&]<class I>() {
    with_value(data, "data", [&]<class T>() {
      const csr<I, T> A = view_csr<I, T>(indptr, indices, data, n_cols);
      const index_t n_slices = (A.n_rows + backend::sell_rows - 1) / backend::sell_rows;
      const vec<const index_t> s = view<const index_t>(slice_ptr, "slice_ptr", n_slices + 1);
      const vec<const index_t> g = view<const index_t>(gather_ptr, "gather_ptr", n_slices + 1);
      const vec<std::int32_t> c = view<std::int32_t>(column, "column");
      const vec<std::int32_t> j = view<std::int32_t>(packed_indices, "packed_indices");
      const vec<T> d = view<T>(packed_data, "packed_data", c.size * backend::sell_rows);
      without_gil([&] { backend::sell_pack(A, s.data, g.data, c.data, j.data, d.data); });
    });
  });
}

void matvec(py::handle slice_ptr, py::handle column, py::handle indices, py::handle data, py::handle x,
            py::handle y) {
  with_value(data, "data", [&]<class T>() {
    const vec<const T> in = view<const T>(x, "x");
    const vec<T> out = view<T>(y, "y");
    const sell<T> A = view_sell<T>(slice_ptr, column, indices, data, out.size, in.size);
    without_gil([&] { backend::sell_matvec(A, in.data, out.data); });
  });
}

py::object matvec_dot(py::handle slice_ptr, py::handle column, py::handle indices, py::handle data,
                      py::handle x, py::handle y) {
  return with_value(data, "data", [&]<class T>() {
    const vec<const T> in = view<const T>(x, "x");
    const vec<T> out = view<T>(y, "y", in.size);
    const sell<T> A = view_sell<T>(slice_ptr, column, indices, data, out.size, in.size);
    return py::object(py::cast(without_gil([&] { return backend::sell_matvec_dot(A, in.data, out.data); })));
  });
}

double residual(py::handle slice_ptr, py::handle column, py::handle indices, py::handle data, py::handle b,
                py::handle x, py::handle r) {
  return with_value(data, "data", [&]<class T>() {
    const vec<const T> in = view<const T>(x, "x");
    const vec<T> out = view<T>(r, "r");
    const vec<const T> right = view<const T>(b, "b", out.size);
    const sell<T> A = view_sell<T>(slice_ptr, column, indices, data, out.size, in.size);
    return without_gil([&] { return backend::sell_residual(A, right.data, in.data, out.data); });
  });
}

}  // namespace

void bind_sell(kernel_module& m) {
  m.def("sell_measure", &measure, "Lengths of the packed copy of a matrix with sorted rows, slice by slice",
        py::arg("indptr"), py::arg("indices"), py::arg("data"), py::arg("n_cols"), py::arg("columns_of"),
        py::arg("gathered_of"));
  m.def("sell_pack", &pack, "Fill the packed copy of a matrix with sorted rows", py::arg("indptr"),
        py::arg("indices"), py::arg("data"), py::arg("n_cols"), py::arg("slice_ptr"), py::arg("gather_ptr"),
        py::arg("column"), py::arg("packed_indices"), py::arg("packed_data"));
  m.def("sell_matvec", &matvec, "y = A x", py::arg("slice_ptr"), py::arg("column"), py::arg("indices"),
        py::arg("data"), py::arg("x"), py::arg("y"));
  m.def("sell_matvec_dot", &matvec_dot, "y = A x, returns x^H y", py::arg("slice_ptr"), py::arg("column"),
        py::arg("indices"), py::arg("data"), py::arg("x"), py::arg("y"));
  m.def("sell_residual", &residual, "r = b - A x, returns r^H r", py::arg("slice_ptr"), py::arg("column"),
        py::arg("indices"), py::arg("data"), py::arg("b"), py::arg("x"), py::arg("r"));
}

}  // namespace pysolve::bind
