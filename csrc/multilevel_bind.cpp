#include "multilevel.hpp"

#include "stencil_bind.hpp"
#if !defined(PYSOLVE_BACKEND_cpu)
#include "multilevel_cycle_bind.hpp"
#endif

namespace pysolve::bind {
namespace {

namespace backend = pysolve::PYSOLVE_BACKEND;

const grid<float>& single_precision(const stencil_handle& handle) {
  if (const auto* A = std::get_if<grid<float>>(&handle.view)) return *A;
  throw py::type_error("grid must have dtype f4");
}

cell_net net_of(py::handle parameters, const char* name) {
  return {host_view<const float>(parameters, name, cell_net::n_parameters).data};
}

pairing pairing_of(const py::tuple& n, int axis, bool periodic) {
  pairing p{{1, 1, 1}, axis, periodic};
  if (n.size() != 3 || axis < 0 || axis > 2)
    throw py::value_error("n must have three entries, axis be 0, 1 or 2");
  index_t size = 1;
  for (int a = 0; a < 3; ++a) {
    p.n[a] = n[a].cast<index_t>();
    if (p.n[a] < 1 || __builtin_mul_overflow(size, p.n[a] + 1, &size))
      throw py::value_error(
          "n must be positive along every axis, and name no more cells than memory can hold");
  }
  return p;
}

// Values of an array with the extents of p, but for `along` values along its axis.
index_t size_with(const pairing& p, index_t along) { return p.n[0] * p.n[1] * p.n[2] / p.n[p.axis] * along; }

void narrow(py::handle values, double factor, float least, py::handle out) {
  with_real(values, "values", [&]<class T>() {
    const vec<const T> in = view<const T>(values, "values");
    const vec<float> to = view<float>(out, "out", in.size);
    without_gil([&] { backend::multilevel_narrow(in.data, factor, least, to.data, in.size); });
  });
}

void cells(const stencil_handle& handle, py::handle relaxation, py::handle resistance, py::handle inverse,
           py::handle half) {
  const grid<float>& A = single_precision(handle);
  const cell_net m = net_of(relaxation, "relaxation"), h = net_of(resistance, "resistance");
  float* D = inverse.is_none() ? nullptr : view<float>(inverse, "inverse", A.size()).data;
  float* out = half.is_none() ? nullptr : view<float>(half, "half", A.size()).data;
  without_gil([&] { backend::multilevel_cells(A, m, h, D, out); });
}

void join(const py::tuple& n, int axis, bool periodic, py::handle weights, py::handle half, py::handle coarse,
          py::handle alpha) {
  const pairing p = pairing_of(n, axis, periodic);
  const index_t along = p.n[axis];
  const vec<const float> w = view<const float>(weights, "weights", size_with(p, along + 1));
  const vec<const float> h = view<const float>(half, "half", size_with(p, along));
  const vec<float> c = view<float>(coarse, "coarse", size_with(p, p.n_pairs() + 1));
  const vec<float> a = view<float>(alpha, "alpha", size_with(p, along));
  without_gil([&] { backend::multilevel_join(p, w.data, h.data, c.data, a.data); });
}

void add(const py::tuple& n, int axis, py::handle fine, py::handle coarse) {
  const pairing p = pairing_of(n, axis, false);
  const vec<const float> f = view<const float>(fine, "fine", size_with(p, p.n[axis]));
  const vec<float> c = view<float>(coarse, "coarse", size_with(p, p.n_pairs()));
  without_gil([&] { backend::multilevel_add(p, f.data, c.data); });
}

// The steps of a level: from two to a few.
vec<const float> steps_of(py::handle tau) {
  const vec<const float> t = host_view<const float>(tau, "tau");
  if (t.size < 2 || t.size > 64) throw py::value_error("tau must hold 2 to 64 steps");
  return t;
}

std::pair<double, double> descend(const stencil_handle& handle, py::handle b, double factor,
                                  py::handle inverse, py::handle tau, py::handle u, py::handle x,
                                  py::handle y) {
  const grid<float>& A = single_precision(handle);
  return with_real(b, "b", [&]<class T>() {
    const vec<const T> right = view<const T>(b, "b", A.size());
    const vec<const float> D = view<const float>(inverse, "inverse", A.size()), t = steps_of(tau);
    const vec<float> v = view<float>(u, "u", A.size()), out = view<float>(x, "x", A.size()),
                     r = view<float>(y, "y", A.size());
    const auto found = without_gil([&] {
      return backend::multilevel_descend(A, right.data, factor, D.data, t.data, int(t.size), v.data, out.data,
                                         r.data);
    });
    return std::pair(found.largest, found.solid);
  });
}

void ascend(const stencil_handle& handle, py::handle alpha, py::handle coarse, float scale, py::handle u,
            py::handle inverse, py::handle tau, py::handle x, py::handle y, double factor, py::handle z) {
  const grid<float>& A = single_precision(handle);
  const index_t n_coarse = (A.n[0] + 1) / 2 * A.n[1] * A.n[2];
  with_real(z, "z", [&]<class T>() {
    const float* share = alpha.is_none() ? nullptr : view<const float>(alpha, "alpha", A.size()).data;
    const float* below = alpha.is_none() ? nullptr : view<const float>(coarse, "coarse", n_coarse).data;
    const vec<const float> v = view<const float>(u, "u", A.size()), t = steps_of(tau);
    const vec<const float> D = view<const float>(inverse, "inverse", A.size());
    const vec<float> in = view<float>(x, "x", A.size()), other = view<float>(y, "y", A.size());
    const vec<T> out = view<T>(z, "z", A.size());
    without_gil([&] {
      backend::multilevel_ascend(A, share, below, scale, v.data, D.data, t.data, int(t.size), in.data,
                                 other.data, factor, out.data);
    });
  });
}

void restrict_to(const py::tuple& n, int axis, bool periodic, py::handle alpha, py::handle fine,
                 py::handle coarse) {
  const pairing p = pairing_of(n, axis, periodic);
  const vec<const float> a = view<const float>(alpha, "alpha", size_with(p, p.n[axis]));
  const vec<const float> f = view<const float>(fine, "fine", a.size);
  const vec<float> c = view<float>(coarse, "coarse", size_with(p, p.n_pairs()));
  without_gil([&] { backend::multilevel_restrict(p, a.data, f.data, c.data); });
}

void prolong(const py::tuple& n, int axis, bool periodic, py::handle alpha, py::handle coarse, float factor,
             bool add_to, py::handle fine) {
  const pairing p = pairing_of(n, axis, periodic);
  const vec<const float> a = view<const float>(alpha, "alpha", size_with(p, p.n[axis]));
  const vec<const float> c = view<const float>(coarse, "coarse", size_with(p, p.n_pairs()));
  const vec<float> f = view<float>(fine, "fine", a.size);
  without_gil([&] { backend::multilevel_prolong(p, a.data, c.data, factor, add_to, f.data); });
}

}  // namespace

void bind_multilevel(kernel_module& m) {
  using py::arg;
  m.def("multilevel_narrow", &narrow,
        "out = factor values in float32, at least `least` where they are positive", arg("values"),
        arg("factor"), arg("least"), arg("out"));
  m.def("multilevel_cells", &cells,
        "inverse = weighted inverse diagonal, half = half resistance of every cell", arg("grid"),
        arg("relaxation"), arg("resistance"), arg("inverse"), arg("half"));
  m.def("multilevel_join", &join, "Coarse faces along the axis, and every cell's share of the pair beyond",
        arg("n"), arg("axis"), arg("periodic"), arg("weights"), arg("half"), arg("coarse"), arg("alpha"));
  m.def("multilevel_add", &add, "Sums over pairs along the axis", arg("n"), arg("axis"), arg("fine"),
        arg("coarse"));
  m.def(
      "multilevel_descend", &descend,
      "u = factor D b, steps from x = 0, y = factor b - A x; returns the largest |u|, and |b| in solid cells",
      arg("grid"), arg("b"), arg("factor"), arg("inverse"), arg("tau"), arg("u"), arg("x"), arg("y"));
  m.def("multilevel_ascend", &ascend, "x += scale P coarse, steps, z = factor x", arg("grid"), arg("alpha"),
        arg("coarse"), arg("scale"), arg("u"), arg("inverse"), arg("tau"), arg("x"), arg("y"), arg("factor"),
        arg("z"));
  m.def("multilevel_restrict", &restrict_to, "coarse = P^T fine", arg("n"), arg("axis"), arg("periodic"),
        arg("alpha"), arg("fine"), arg("coarse"));
  m.def("multilevel_prolong", &prolong, "fine = scale P coarse, or fine += scale P coarse", arg("n"),
        arg("axis"), arg("periodic"), arg("alpha"), arg("coarse"), arg("scale"), arg("add"), arg("fine"));
#if !defined(PYSOLVE_BACKEND_cpu)
  bind_multilevel_cycle(m);
#endif
}

}  // namespace pysolve::bind
