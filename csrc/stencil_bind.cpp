#include "stencil.hpp"

#include <limits>

#include "stencil_bind.hpp"

namespace pysolve::bind {
namespace {

namespace backend = pysolve::PYSOLVE_BACKEND;

side side_of(py::handle code) {
  const int c = code.cast<int>();
  if (c < 0 || c > 2) throw py::value_error("sides must be 0, 1 or 2");
  return static_cast<side>(c);
}

bool is_number(py::handle x) { return py::isinstance<py::float_>(x) || py::isinstance<py::int_>(x); }

// Weights of one axis: a number, None (an axis of one closed cell), or an array with one face more along the axis.
template <class T>
void set_weights(grid<T>& A, int axis, py::handle w) {
  A.weights[axis] = nullptr;
  A.constant[axis] = is_number(w) ? T(w.cast<double>()) : T(0);
  if (is_number(w) || w.is_none()) return;
  const index_t faces = A.size() / A.n[axis] * (A.n[axis] + 1);
  A.weights[axis] = view<const T>(w, "weights", faces).data;
}

template <class T>
grid<T> make_grid(const py::tuple& n, const py::tuple& low, const py::tuple& high, const py::tuple& weights,
                  py::handle shift, py::handle decoupled) {
  grid<T> A{};
  for (int a = 0; a < 3; ++a) {
    A.n[a] = n[a].cast<index_t>();
    if (A.n[a] < 1) throw py::value_error("n must be positive along every axis");
    A.low[a] = side_of(low[a]);
    A.high[a] = side_of(high[a]);
  }
  index_t n_cells = 0, n_bytes = 0;  // with the faces of an axis beyond its cells
  if (__builtin_mul_overflow(A.n[0], A.n[1], &n_cells) || __builtin_mul_overflow(n_cells, A.n[2], &n_cells) ||
      __builtin_mul_overflow(n_cells, index_t(2 * sizeof(T)), &n_bytes))
    throw py::value_error("n names more cells than memory can hold");
  for (int a = 0; a < 3; ++a) set_weights(A, a, weights[a]);
  const bool arrays = A.weights[0];
  if (arrays != bool(A.weights[2]) || (A.weights[1] && !arrays) || (arrays && is_number(weights[1])) ||
      (weights[1].is_none() && A.n[1] != 1) || weights[0].is_none() || weights[2].is_none())
    throw py::value_error("weights must be all numbers or all arrays");
  A.shift0 = is_number(shift) ? T(shift.cast<double>()) : T(0);
  if (!is_number(shift)) A.shift = view<const T>(shift, "shift", A.size()).data;
  if (!decoupled.is_none()) {
    const vec<const index_t> cells = view<const index_t>(decoupled, "decoupled");
#if defined(PYSOLVE_BACKEND_cpu)
    for (index_t k = 0; k < cells.size; ++k)
      if (cells.data[k] < (k > 0 ? cells.data[k - 1] + 1 : 0) || cells.data[k] >= A.size())
        throw py::value_error("decoupled must rise and lie in [0, number of cells)");
#endif
    A.decoupled = cells.data;
    A.n_decoupled = cells.size;
  }
  return A;
}

template <class T, class... Args>
std::unique_ptr<stencil_handle> handle_of(py::tuple owners, const Args&... args) {
  auto handle =
      std::make_unique<stencil_handle>(stencil_handle{make_grid<T>(args...), owners, std::vector<T>()});
#if defined(PYSOLVE_BACKEND_cpu)
  auto& A = std::get<grid<T>>(handle->view);
  auto& zeros = std::get<std::vector<T>>(handle->zeros);
  zeros.resize(A.n[2]);
  A.zeros = zeros.data();
#endif
  return handle;
}

std::unique_ptr<stencil_handle> make_handle(const py::tuple& n, const py::tuple& low, const py::tuple& high,
                                            const py::tuple& weights, const py::object& shift,
                                            const py::object& decoupled, const std::string& dtype) {
  if (n.size() != 3 || low.size() != 3 || high.size() != 3 || weights.size() != 3)
    throw py::value_error("n, low, high and weights must have three entries");
  const py::tuple owners = py::make_tuple(weights, shift, decoupled);
  if (dtype == "f8") return handle_of<double>(owners, n, low, high, weights, shift, decoupled);
  if (dtype == "f4") return handle_of<float>(owners, n, low, high, weights, shift, decoupled);
  throw py::type_error("dtype must be 'f4' or 'f8', not '" + dtype + "'");
}

void matvec(const stencil_handle& handle, py::handle x, py::handle y) {
  with_grid(handle, [&]<class T>(const grid<T>& A) {
    const vec<const T> in = view<const T>(x, "x", A.size());
    const vec<T> out = view<T>(y, "y", A.size());
    without_gil([&] { backend::stencil_matvec(A, in.data, out.data); });
  });
}

double matvec_dot(const stencil_handle& handle, py::handle x, py::handle y) {
  return with_grid(handle, [&]<class T>(const grid<T>& A) {
    const vec<const T> in = view<const T>(x, "x", A.size());
    const vec<T> out = view<T>(y, "y", A.size());
    return without_gil([&] { return backend::stencil_matvec_dot(A, in.data, out.data); });
  });
}

double residual(const stencil_handle& handle, py::handle b, py::handle x, py::handle r) {
  return with_grid(handle, [&]<class T>(const grid<T>& A) {
    const vec<const T> right = view<const T>(b, "b", A.size());
    const vec<const T> in = view<const T>(x, "x", A.size());
    const vec<T> out = view<T>(r, "r", A.size());
    return without_gil([&] { return backend::stencil_residual(A, right.data, in.data, out.data); });
  });
}

index_t components(const stencil_handle& handle, py::handle labels) {
  return with_grid(handle, [&]<class T>(const grid<T>& A) {
    if (A.size() > std::numeric_limits<std::int32_t>::max()) throw py::value_error("grid has too many cells");
    const vec<std::int32_t> out = view<std::int32_t>(labels, "labels", A.size());
    return without_gil([&] { return backend::stencil_components(A, out.data); });
  });
}

void project_out(py::handle labels, index_t n_components, py::handle d) {
  const vec<const std::int32_t> of = view<const std::int32_t>(labels, "labels");
  if (n_components < 1 || n_components > of.size)
    throw py::value_error("n_components must lie between 1 and the number of labels");
  with_real(d, "d", [&]<class T>() {
    const vec<T> out = view<T>(d, "d", of.size);
    without_gil([&] { backend::stencil_project_out(of.data, n_components, out.data, of.size); });
  });
}

}  // namespace

void bind_stencil(kernel_module& m) {
  py::class_<stencil_handle>(m, "StencilGrid", "Handle of a stencil operator on this backend",
                             py::module_local());
  m.def("stencil_grid", &make_handle, "Handle of a stencil operator; keeps the arrays alive", py::arg("n"),
        py::arg("low"), py::arg("high"), py::arg("weights"), py::arg("shift"), py::arg("decoupled"),
        py::arg("dtype"));
  m.def("stencil_matvec", &matvec, "y = A x", py::arg("grid"), py::arg("x"), py::arg("y"));
  m.def("stencil_matvec_dot", &matvec_dot, "y = A x, returns x . y", py::arg("grid"), py::arg("x"),
        py::arg("y"));
  m.def("stencil_residual", &residual, "r = b - A x, returns r . r", py::arg("grid"), py::arg("b"),
        py::arg("x"), py::arg("r"));
  m.def("stencil_components", &components, "labels of the components with a null space; returns their number",
        py::arg("grid"), py::arg("labels"));
  m.def("stencil_project_out", &project_out, "d -= its mean on every component", py::arg("labels"),
        py::arg("n_components"), py::arg("d"));
}

}  // namespace pysolve::bind
