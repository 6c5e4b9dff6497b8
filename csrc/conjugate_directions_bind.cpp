#include "conjugate_directions.hpp"

#include <pybind11/stl.h>

#include "bind.hpp"
#include "sell_bind.hpp"
#include "stencil_bind.hpp"

namespace pysolve::bind {
namespace {

namespace backend = pysolve::PYSOLVE_BACKEND;

py::tuple orthogonalise(py::handle z, py::handle r, py::handle P, py::handle Q, py::handle pq, index_t slot) {
  return with_value(z, "z", [&]<class T>() {
    const vec<const T> direction = view<const T>(z, "z");
    const index_t n = direction.size, n_keep = host_info_of(pq, "pq").size;
    if (n_keep < 1 || n_keep > backend::max_keep)
      throw py::value_error("pq must have 1 to " + std::to_string(backend::max_keep) + " values");
    if (slot < 0 || slot >= n_keep) throw py::value_error("slot must lie in [0, n_keep)");
    const vec<const T> residual = view<const T>(r, "r", n);
    const vec<T> p = view<T>(P, "P", n_keep * n);
    const vec<const T> q = view<const T>(Q, "Q", n_keep * n);
    const vec<const double> products = host_view<const double>(pq, "pq");
    std::vector<sum_t<T>> c(n_keep);
    const auto report = without_gil([&] {
      return backend::conjugate_directions_orthogonalise(direction.data, residual.data, p.data, q.data,
                                                         products.data, c.data(), n_keep, slot, n);
    });
    return py::tuple(py::make_tuple(report.pr, report.pp, c));
  });
}

template <class T>
T number(const py::object& value, const char* name) {
  try {
    return T(value.cast<sum_t<T>>());
  } catch (const py::cast_error&) {
    throw py::type_error(std::string(name) + " must be a number of the type of x");
  }
}

double step(py::handle x, py::handle r, py::handle p, py::handle q, py::object alpha) {
  return with_value(x, "x", [&]<class T>() {
    const vec<T> solution = view<T>(x, "x");
    const vec<T> residual = view<T>(r, "r", solution.size);
    const vec<const T> direction = view<const T>(p, "p", solution.size);
    const vec<const T> product = view<const T>(q, "q", solution.size);
    const T a = number<T>(alpha, "alpha");
    return without_gil([&] {
      return backend::conjugate_directions_step(solution.data, residual.data, direction.data, product.data, a,
                                                solution.size);
    });
  });
}

// The vectors of a run, checked against its size; a stencil operator's may do without q.
template <class T, bool needs_q = true>
struct run_vectors {
  T *x, *r, *p, *q;
  const real_t<T>* inverse_diagonal;
  double* norms;
  run_vectors(index_t n, index_t n_steps, py::handle d, py::handle x_, py::handle r_, py::handle p_,
              py::handle q_, py::handle norms_)
      : x(bind::view<T>(x_, "x", n).data),
        r(bind::view<T>(r_, "r", n).data),
        p(bind::view<T>(p_, "p", n).data),
        q(needs_q || uses(q_) ? bind::view<T>(q_, "q", n).data : nullptr),
        inverse_diagonal(d.is_none() ? nullptr : bind::view<const real_t<T>>(d, "inverse_diagonal", n).data),
        norms(host_view<double>(norms_, "norms").data) {
    if (host_info_of(norms_, "norms").size < n_steps) throw py::value_error("norms must have n_steps values");
  }
  // On the host the run of a stencil operator does not look at q.
  static bool uses(py::handle q) {
#if defined(PYSOLVE_BACKEND_cpu)
    return static_cast<void>(q), false;
#else
    return !q.is_none();
#endif
  }
};

using state = backend::run_state;

void run_csr(py::handle indptr, py::handle indices, py::handle data, py::handle inverse_diagonal,
             py::handle x, py::handle r, py::handle p, py::handle q, py::handle norms, state& s) {
  with_index(indptr, "indptr", [&]<class I>() {
    with_value(data, "data", [&]<class T>() {
      const csr<I, T> A = view_csr<I, T>(indptr, indices, data, info_of(x, "x").size);
      state own = s;  // as it is checked, whatever other threads set meanwhile
      const run_vectors<T> v(A.n_rows, own.n_steps, inverse_diagonal, x, r, p, q, norms);
      without_gil([&] {
        backend::conjugate_directions_run_csr(A, v.inverse_diagonal, v.x, v.r, v.p, v.q, v.norms, own);
      });
      s = own;
    });
  });
}

void run_sell(py::handle slice_ptr, py::handle column, py::handle indices, py::handle data,
              py::handle inverse_diagonal, py::handle x, py::handle r, py::handle p, py::handle q,
              py::handle norms, state& s) {
  with_value(data, "data", [&]<class T>() {
    const index_t n = info_of(x, "x").size;
    const sell<T> A = view_sell<T>(slice_ptr, column, indices, data, n, n);
    state own = s;
    const run_vectors<T> v(n, own.n_steps, inverse_diagonal, x, r, p, q, norms);
    without_gil([&] {
      backend::conjugate_directions_run_sell(A, v.inverse_diagonal, v.x, v.r, v.p, v.q, v.norms, own);
    });
    s = own;
  });
}

void run_stencil(const stencil_handle& handle, py::handle inverse_diagonal, py::handle x, py::handle r,
                 py::handle p, py::handle q, py::handle norms, state& s) {
  with_grid(handle, [&]<class T>(const grid<T>& A) {
    state own = s;
    const run_vectors<T, false> v(A.size(), own.n_steps, inverse_diagonal, x, r, p, q, norms);
    without_gil([&] {
      backend::conjugate_directions_run_stencil(A, v.inverse_diagonal, v.x, v.r, v.p, v.q, v.norms, own);
    });
    s = own;
  });
}

double dot(py::handle r, py::handle z) {
  return with_real(r, "r", [&]<class T>() {
    const vec<const T> a = view<const T>(r, "r"), b = view<const T>(z, "z", a.size);
    return without_gil([&] { return backend::conjugate_directions_dot(a.data, b.data, a.size); });
  });
}

std::pair<double, double> toward_stencil(const stencil_handle& handle, py::handle z, double beta,
                                         py::handle p) {
  return with_grid(handle, [&]<class T>(const grid<T>& A) {
    const vec<const T> in = view<const T>(z, "z", A.size());
    const vec<T> out = view<T>(p, "p", A.size());
    const auto found =
        without_gil([&] { return backend::conjugate_directions_toward_stencil(A, in.data, beta, out.data); });
    return std::pair(found.pAp, found.pp);
  });
}

double along_stencil(const stencil_handle& handle, double alpha, py::handle x, py::handle r, py::handle p) {
  return with_grid(handle, [&]<class T>(const grid<T>& A) {
    const vec<T> to = view<T>(x, "x", A.size()), left = view<T>(r, "r", A.size());
    const vec<const T> in = view<const T>(p, "p", A.size());
    return without_gil(
        [&] { return backend::conjugate_directions_along_stencil(A, alpha, to.data, left.data, in.data); });
  });
}

void advance_stencil(const stencil_handle& handle, py::handle z, py::handle x, py::handle r, py::handle p,
                     py::handle numbers, py::handle work) {
  using backend::advance;
  with_grid(handle, [&]<class T>(const grid<T>& A) {
    const vec<const T> in = view<const T>(z, "z", A.size());
    const vec<T> to = view<T>(x, "x", A.size()), left = view<T>(r, "r", A.size());
    const vec<T> along = view<T>(p, "p", A.size());
    const vec<double> own = view<double>(numbers, "state"), room = view<double>(work, "work", advance::work);
    if (own.size < advance::norms)
      throw py::value_error("state must have at least " + std::to_string(advance::norms) + " values");
    without_gil([&] {
      backend::conjugate_directions_advance_stencil(A, in.data, to.data, left.data, along.data, own.data,
                                                    own.size, room.data);
    });
  });
}

void bind_runs(kernel_module& m) {
  m.def("conjugate_directions_dot", &dot, "r . z", py::arg("r"), py::arg("z"));
  m.def("conjugate_directions_toward_stencil", &toward_stencil, "p = z + beta p; returns p . A p and p . p",
        py::arg("grid"), py::arg("z"), py::arg("beta"), py::arg("p"));
  m.def("conjugate_directions_along_stencil", &along_stencil, "x += alpha p, r -= alpha A p; returns r . r",
        py::arg("grid"), py::arg("alpha"), py::arg("x"), py::arg("r"), py::arg("p"));
  m.def("conjugate_directions_advance_stencil", &advance_stencil,
        "One step of CG with z = M r, which waits for nothing: its numbers are in `state`", py::arg("grid"),
        py::arg("z"), py::arg("x"), py::arg("r"), py::arg("p"), py::arg("state"), py::arg("work"));
  constexpr const char* ends[] = {"steps", "tolerance", "not_positive", "not_finite"};
  py::class_<state>(m, "RunState", "Where a run of conjugate gradients stands", py::module_local())
      .def(py::init<>())
      .def_readwrite("rho", &state::rho)
      .def_readwrite("beta", &state::beta)
      .def_readwrite("tolerance", &state::tolerance)
      .def_readwrite("floor", &state::floor)
      .def_readwrite("n_steps", &state::n_steps)
      .def_readonly("curvature", &state::curvature)
      .def_property_readonly("end", [ends](const state& s) { return ends[int(s.end)]; });
  m.def("conjugate_directions_run_csr", &run_csr, "CG steps with a csr matrix", py::arg("indptr"),
        py::arg("indices"), py::arg("data"), py::arg("inverse_diagonal"), py::arg("x"), py::arg("r"),
        py::arg("p"), py::arg("q"), py::arg("norms"), py::arg("state"));
  m.def("conjugate_directions_run_sell", &run_sell, "CG steps with a packed matrix", py::arg("slice_ptr"),
        py::arg("column"), py::arg("indices"), py::arg("data"), py::arg("inverse_diagonal"), py::arg("x"),
        py::arg("r"), py::arg("p"), py::arg("q"), py::arg("norms"), py::arg("state"));
  m.def("conjugate_directions_run_stencil", &run_stencil,
        "CG steps with a stencil operator (q: room for a vector, or None)", py::arg("grid"),
        py::arg("inverse_diagonal"), py::arg("x"), py::arg("r"), py::arg("p"), py::arg("q"), py::arg("norms"),
        py::arg("state"));
}

}  // namespace

void bind_conjugate_directions(kernel_module& m) {
  m.def("conjugate_directions_orthogonalise", &orthogonalise,
        "P[slot] = z made A-orthogonal to the directions kept; returns p^H r, p^H p and the coefficients",
        py::arg("z"), py::arg("r"), py::arg("P"), py::arg("Q"), py::arg("pq"), py::arg("slot"));
  m.def("conjugate_directions_step", &step, "x += alpha p, r -= alpha q; returns r^H r", py::arg("x"),
        py::arg("r"), py::arg("p"), py::arg("q"), py::arg("alpha"));
  bind_runs(m);
}

}  // namespace pysolve::bind
