#include "matrix_completion.hpp"

#include "bind.hpp"

namespace pysolve::bind {
namespace {

namespace backend = pysolve::PYSOLVE_BACKEND;

index_t rank_from(index_t k) {
  if (k < 1 || k > completion_max_rank)
    throw py::value_error("k must be from 1 to " + std::to_string(completion_max_rank) + ", not " +
                          std::to_string(k));
  return k;
}

// Rows of a factor: its size must be a multiple of the stride of k.
template <class T>
vec<T> view_factor(py::handle x, const char* name, index_t k, index_t n = -1) {
  const index_t ld = completion_stride(rank_from(k));
  const vec<T> found = view<T>(x, name, n < 0 ? -1 : n * ld);
  if (found.size % ld != 0)
    throw py::value_error(std::string(name) + " must have rows of " + std::to_string(ld) +
                          " values (k rounded up to 8), but has " + std::to_string(found.size) + " values");
  return {found.data, found.size / ld};
}

template <class T>
const T* optional(py::handle x, const char* name, index_t size) {
  return x.is_none() ? nullptr : view<const T>(x, name, size).data;
}

// (begin, end, indices, values, weights); weights may be None, and values where they are not needed.
template <class T>
observed<T> view_observed(const py::tuple& entries, index_t n_cols, bool with_values) {
  if (entries.size() != 5) throw py::value_error("observed must have five entries");
  const vec<const index_t> begin = view<const index_t>(entries[0], "begin");
  const vec<const index_t> end = view<const index_t>(entries[1], "end", begin.size);
  const vec<const std::int32_t> indices = view<const std::int32_t>(entries[2], "indices");
  if (with_values && entries[3].is_none()) throw py::type_error("values must be a NumPy array, not NoneType");
  return {begin.size,
          n_cols,
          indices.size,
          begin.data,
          end.data,
          indices.data,
          optional<T>(entries[3], "values", indices.size),
          optional<T>(entries[4], "weights", indices.size)};
}

double checked(const completion_sums& sums, const char* what) {
  if (sums.fault >= 0)
    throw py::value_error(std::string(what) + " " + std::to_string(sums.fault) +
                          " does not fit: it names an entry or an index that is not there");
  return sums.squares;
}

void check_steps(int n_cg) {
  if (n_cg < 0 || n_cg > 1000000) throw py::value_error("n_cg must be from 0 to 1000000");
}

void sort(py::handle keys, py::handle others, py::handle values, py::handle weights, py::handle begin,
          py::handle sorted_others, py::handle sorted_values, py::handle sorted_weights) {
  const vec<const std::int32_t> key = view<const std::int32_t>(keys, "keys");
  const vec<index_t> starts = view<index_t>(begin, "begin");
  if (starts.size < 1) throw py::value_error("begin must have at least one value");
  const std::int32_t* const other = view<const std::int32_t>(others, "others", key.size).data;
  const double* const value = view<const double>(values, "values", key.size).data;
  const double* const weight = optional<double>(weights, "weights", key.size);
  std::int32_t* const to = view<std::int32_t>(sorted_others, "sorted_others", key.size).data;
  double* const value_to = view<double>(sorted_values, "sorted_values", key.size).data;
  double* const weight_to = weight ? view<double>(sorted_weights, "sorted_weights", key.size).data : nullptr;
  const index_t fault = without_gil([&] {
    return backend::matrix_completion_sort(key.data, key.size, starts.size - 1, other, value, weight,
                                           starts.data, to, value_to, weight_to);
  });
  checked({0, fault}, "entry");
}

double half_step(const py::tuple& entries, py::handle V, py::handle U, index_t k, py::handle reg, int n_cg,
                 py::handle shrunk, double relaxation, bool foreseen) {
  check_steps(n_cg);
  if (!(relaxation > 0 && relaxation < 2))
    throw py::value_error("relaxation must be between 0 and 2, not " + std::to_string(relaxation));
  return with_real(V, "V", [&]<class T>() {
    const vec<const T> fixed = view_factor<const T>(V, "V", k);
    const observed<T> A = view_observed<T>(entries, fixed.size, true);
    const vec<T> out = view_factor<T>(U, "U", k, A.n_rows);
    const double* const r = optional<double>(reg, "reg", k);
    float* const factors = shrunk.is_none() ? nullptr : view<float>(shrunk, "shrunk", A.n_rows).data;
    return checked(without_gil([&] {
                     return backend::matrix_completion_half_step(A, fixed.data, out.data, k, r, n_cg, factors,
                                                                 relaxation, foreseen);
                   }),
                   "row");
  });
}

double nonneg_step(const py::tuple& entries, py::handle V, py::handle U, index_t k, py::handle reg,
                   int n_sweeps) {
  if (n_sweeps < 0 || n_sweeps > 1000000) throw py::value_error("n_sweeps must be from 0 to 1000000");
  return with_real(V, "V", [&]<class T>() {
    const vec<const T> fixed = view_factor<const T>(V, "V", k);
    const observed<T> A = view_observed<T>(entries, fixed.size, true);
    const vec<T> out = view_factor<T>(U, "U", k, A.n_rows);
    const double* const r = optional<double>(reg, "reg", k);
    return checked(without_gil([&] {
                     return backend::matrix_completion_nonneg_step(A, fixed.data, out.data, k, r, n_sweeps);
                   }),
                   "row");
  });
}

void deviations(const py::tuple& entries, py::handle V, py::handle U, index_t k, py::handle r,
                py::handle medians) {
  with_real(V, "V", [&]<class T>() {
    const vec<const T> fixed = view_factor<const T>(V, "V", k);
    const observed<T> A = view_observed<T>(entries, fixed.size, true);
    const vec<const T> u = view_factor<const T>(U, "U", k, A.n_rows);
    const vec<T> far = view<T>(r, "r", A.n_entries), middle = view<T>(medians, "medians", A.n_rows);
    checked(without_gil([&] {
              return backend::matrix_completion_deviations(A, fixed.data, u.data, k, far.data, middle.data);
            }),
            "row");
  });
}

double sketched_step(const py::tuple& entries, py::handle V, py::handle U, index_t k, py::handle reg,
                     int n_cg, py::handle chosen, const std::string& kind, index_t n_sketch,
                     std::uint64_t seed, py::handle shrunk) {
  check_steps(n_cg);
  if (kind != "count" && kind != "rows" && kind != "srht")
    throw py::value_error("kind must be 'count', 'rows' or 'srht', not '" + kind + "'");
  if (n_sketch < 1 || n_sketch > 64 * completion_max_rank)
    throw py::value_error("n_sketch must be from 1 to " + std::to_string(64 * completion_max_rank));
  const auto how = kind == "count"  ? completion_sketch::count
                   : kind == "rows" ? completion_sketch::rows
                                    : completion_sketch::srht;
  return with_real(V, "V", [&]<class T>() {
    const vec<const T> fixed = view_factor<const T>(V, "V", k);
    const observed<T> A = view_observed<T>(entries, fixed.size, true);
    const vec<T> out = view_factor<T>(U, "U", k, A.n_rows);
    const vec<const index_t> rows = view<const index_t>(chosen, "chosen");
    const double* const r = optional<double>(reg, "reg", k);
    float* const factors = shrunk.is_none() ? nullptr : view<float>(shrunk, "shrunk", rows.size).data;
    return checked(without_gil([&] {
                     return backend::matrix_completion_sketched_step(A, fixed.data, out.data, k, r, n_cg,
                                                                     rows.data, rows.size, how, n_sketch,
                                                                     seed, factors);
                   }),
                   "row");
  });
}

double gradient(const py::tuple& entries, py::handle V, py::handle U, py::handle out, index_t k) {
  return with_real(V, "V", [&]<class T>() {
    const vec<const T> fixed = view_factor<const T>(V, "V", k);
    const observed<T> A = view_observed<T>(entries, fixed.size, true);
    const T* const u = U.is_none() ? nullptr : view_factor<const T>(U, "U", k, A.n_rows).data;
    const vec<T> g = view_factor<T>(out, "out", k, A.n_rows);
    return checked(
        without_gil([&] { return backend::matrix_completion_gradient(A, fixed.data, u, g.data, k); }), "row");
  });
}

double normal(const py::tuple& entries, py::handle U, py::handle V, py::handle P, py::handle Q,
              py::handle out, index_t k, double damping) {
  return with_real(V, "V", [&]<class T>() {
    const vec<const T> v = view_factor<const T>(V, "V", k);
    const observed<T> A = view_observed<T>(entries, v.size, false);
    const vec<const T> u = view_factor<const T>(U, "U", k, A.n_rows);
    const T* const p = P.is_none() ? nullptr : view_factor<const T>(P, "P", k, A.n_rows).data;
    const vec<const T> q = view_factor<const T>(Q, "Q", k, v.size);
    const vec<T> o = view_factor<T>(out, "out", k, A.n_rows);
    return checked(without_gil([&] {
                     return backend::matrix_completion_normal(A, u.data, v.data, p, q.data, o.data, k,
                                                              damping);
                   }),
                   "row");
  });
}

double blocks(const py::tuple& entries, py::handle V, index_t k, double damping, py::handle H) {
  return with_real(V, "V", [&]<class T>() {
    const vec<const T> v = view_factor<const T>(V, "V", k);
    const observed<T> A = view_observed<T>(entries, v.size, false);
    const vec<T> out = view<T>(H, "H", A.n_rows * k * completion_stride(k));
    return checked(
        without_gil([&] { return backend::matrix_completion_blocks(A, v.data, k, damping, out.data); }),
        "row");
  });
}

void apply_blocks(py::handle H, py::handle X, index_t k, double factor) {
  with_real(X, "X", [&]<class T>() {
    const vec<T> x = view_factor<T>(X, "X", k);
    const vec<const T> h = view<const T>(H, "H", x.size * k * completion_stride(k));
    without_gil([&] { backend::matrix_completion_apply_blocks(h.data, x.data, x.size, k, factor); });
  });
}

double residual(py::handle rows, py::handle cols, py::handle values, py::handle weights, py::handle U,
                py::handle V, index_t k, py::handle r) {
  return with_real(V, "V", [&]<class T>() {
    const vec<const std::int32_t> i = view<const std::int32_t>(rows, "rows");
    const vec<const std::int32_t> j = view<const std::int32_t>(cols, "cols", i.size);
    const vec<const T> y = view<const T>(values, "values", i.size);
    const T* const w = optional<T>(weights, "weights", i.size);
    const vec<const T> u = view_factor<const T>(U, "U", k), v = view_factor<const T>(V, "V", k);
    T* const out = r.is_none() ? nullptr : view<T>(r, "r", i.size).data;
    return checked(without_gil([&] {
                     return backend::matrix_completion_residual(i.data, j.data, y.data, w, i.size, u.data,
                                                                u.size, v.data, v.size, k, out);
                   }),
                   "entry");
  });
}

void gram(py::handle V, index_t k, py::handle G) {
  with_real(V, "V", [&]<class T>() {
    const vec<const T> v = view_factor<const T>(V, "V", k);
    const vec<double> out = view<double>(G, "G", k * k);
    without_gil([&] { backend::matrix_completion_gram(v.data, v.size, k, out.data); });
  });
}

index_t transform(py::handle V, index_t k, py::handle R, double limit) {
  return with_real(V, "V", [&]<class T>() {
    const vec<T> v = view_factor<T>(V, "V", k);
    const vec<const double> by = view<const double>(R, "R", k * k);
    return without_gil(
        [&] { return backend::matrix_completion_transform(v.data, v.size, k, by.data, limit); });
  });
}

}  // namespace

void bind_matrix_completion(kernel_module& m) {
  using py::arg;
  m.def("matrix_completion_sort", &sort, "Entries in the stable order of their keys", arg("keys"),
        arg("others"), arg("values"), arg("weights"), arg("begin"), arg("sorted_others"),
        arg("sorted_values"), arg("sorted_weights"));
  m.def("matrix_completion_half_step", &half_step,
        "Conjugate-gradient steps for every row of U; the residual before", arg("observed"), arg("V"),
        arg("U"), arg("k"), arg("reg"), arg("n_cg"), arg("shrunk"), arg("relaxation") = 1.0,
        arg("foreseen") = false);
  m.def("matrix_completion_nonneg_step", &nonneg_step,
        "Sweeps of coordinate descent for every row of U >= 0; the residual before", arg("observed"),
        arg("V"), arg("U"), arg("k"), arg("reg"), arg("n_sweeps"));
  m.def("matrix_completion_deviations", &deviations, "r = |y - u.v| and its median in every row",
        arg("observed"), arg("V"), arg("U"), arg("k"), arg("r"), arg("medians"));
  m.def("matrix_completion_sketched_step", &sketched_step,
        "The same for chosen rows, preconditioned by a sketch", arg("observed"), arg("V"), arg("U"), arg("k"),
        arg("reg"), arg("n_cg"), arg("chosen"), arg("kind"), arg("n_sketch"), arg("seed"), arg("shrunk"));
  m.def("matrix_completion_gradient", &gradient,
        "out_i = sum w (y - u.v) v, returns the sum of w (y - u.v)^2", arg("observed"), arg("V"), arg("U"),
        arg("out"), arg("k"));
  m.def("matrix_completion_normal", &normal,
        "U's half of J^T J (P, Q) + damping (P, Q), returns P's product with it", arg("observed"), arg("U"),
        arg("V"), arg("P"), arg("Q"), arg("out"), arg("k"), arg("damping"));
  m.def("matrix_completion_blocks", &blocks, "H_i = (V_i^T W V_i + damping)^-1 for every row",
        arg("observed"), arg("V"), arg("k"), arg("damping"), arg("H"));
  m.def("matrix_completion_apply_blocks", &apply_blocks, "x_i <- factor H_i x_i", arg("H"), arg("X"),
        arg("k"), arg("factor"));
  m.def("matrix_completion_residual", &residual, "r = y - u.v over entries, returns the sum of w r^2",
        arg("rows"), arg("cols"), arg("values"), arg("weights"), arg("U"), arg("V"), arg("k"), arg("r"));
  m.def("matrix_completion_gram", &gram, "G = V^T V", arg("V"), arg("k"), arg("G"));
  m.def("matrix_completion_transform", &transform, "V <- V R, rows clipped to a length; how many were",
        arg("V"), arg("k"), arg("R"), arg("limit"));
}

}  // namespace pysolve::bind
