#include "kron.hpp"

#include "layout_bind.hpp"
#include "parallel.hpp"

namespace pysolve::bind {
namespace {

namespace backend = pysolve::PYSOLVE_BACKEND;

constexpr std::size_t most_factors = 64;  // what the plan of a chain has room for

template <class T>
using factor_list = std::vector<backend::kron_factor<T>>;

// The factor in a 2-D array with any strides.
template <class T>
backend::kron_factor<T> factor_of(py::handle x, const std::string& name) {
  const array_info a = info_of(x, name.c_str());
  if (!holds<T>(a))
    throw py::type_error(name + " must have dtype f" + std::to_string(sizeof(T)) + ", not " + a.kind +
                         std::to_string(a.width));
  const array_layout array = layout_of(x);
  if (array.n_axes() != 2)
    throw py::value_error(name + " must be of two dimensions, not of shape " + array.text);
  const index_t size = sizeof(T), row = array.strides[0], column = array.strides[1];
  const bool straight = reinterpret_cast<std::uintptr_t>(a.data) % alignof(T) == 0;
  if (a.size > 0 && (!straight || row % size != 0 || column % size != 0))
    throw py::value_error(name + " must be aligned in memory");
  return {static_cast<const T*>(a.data), array.extents[0], array.extents[1], row / size, column / size};
}

template <class T>
factor_list<T> factors_of(const py::sequence& given) {
  factor_list<T> factors;
  for (std::size_t j = 0; j < given.size(); ++j)
    factors.push_back(factor_of<T>(py::object(given[j]), "factors[" + std::to_string(j) + "]"));
  return factors;
}

// f.template operator()<T>(factors) for the type of the first factor, which all must have.
template <class F>
auto with_factors(py::handle factors, F&& f) {
  if (!py::isinstance<py::list>(factors) && !py::isinstance<py::tuple>(factors))
    throw py::type_error("factors must be a list or tuple of arrays, not " + type_name(factors));
  const auto given = py::reinterpret_borrow<py::sequence>(factors);
  if (given.size() == 0) throw py::value_error("factors must have at least one matrix, not none");
  if (given.size() > most_factors)
    throw py::value_error("factors must have at most " + std::to_string(most_factors) + " matrices, not " +
                          std::to_string(given.size()));
  return with_real(py::object(given[0]), "factors[0]",
                   [&]<class T>() { return f.template operator()<T>(factors_of<T>(given)); });
}

struct extent {
  std::uintptr_t begin, end;
};

template <class T>
extent extent_of(const vec<T>& v) {
  const auto begin = reinterpret_cast<std::uintptr_t>(v.data);
  return {begin, begin + std::uintptr_t(v.size) * sizeof(T)};
}

template <class T>
extent extent_of(const backend::kron_factor<T>& A) {
  const auto base = reinterpret_cast<std::uintptr_t>(A.data);
  if (A.m == 0 || A.n == 0) return {base, base};
  const index_t rows = (A.m - 1) * A.row, columns = (A.n - 1) * A.column;
  const index_t least = std::min<index_t>(rows, 0) + std::min<index_t>(columns, 0);
  const index_t most = std::max<index_t>(rows, 0) + std::max<index_t>(columns, 0) + 1;
  return {base + std::uintptr_t(least) * sizeof(T), base + std::uintptr_t(most) * sizeof(T)};
}

void refuse_overlap(const extent& a, const std::string& a_name, const extent& b, const std::string& b_name) {
  if (a.begin < a.end && b.begin < b.end && a.begin < b.end && b.begin < a.end)
    throw py::value_error(a_name + " must not overlap " + b_name + " in memory");
}

array_layout three_dimensional(py::handle x, const char* name) {
  info_of(x, name);
  const array_layout array = layout_of(x);
  if (array.n_axes() != 3)
    throw py::value_error(std::string(name) + " must be of three dimensions, not of shape " + array.text);
  return array;
}

void mode_product(py::handle A, py::handle x, py::handle y) {
  with_real(A, "A", [&]<class T>() {
    const backend::kron_factor<T> factor = factor_of<T>(A, "A");
    const array_layout in_array = three_dimensional(x, "x"), out_array = three_dimensional(y, "y");
    const vec<const T> in = view<const T>(x, "x");
    const vec<T> out = view<T>(y, "y");
    const index_t left = in_array.extents[0], right = in_array.extents[2];
    if (in_array.extents[1] != factor.n)
      throw py::value_error("x must have " + std::to_string(factor.n) +
                            " values along its axis 1, as A has columns, not shape " + in_array.text);
    if (out_array.extents[0] != left || out_array.extents[1] != factor.m || out_array.extents[2] != right)
      throw py::value_error("y must have shape (" + std::to_string(left) + ", " + std::to_string(factor.m) +
                            ", " + std::to_string(right) + "), not " + out_array.text);
    refuse_overlap(extent_of(out), "y", extent_of(in), "x");
    refuse_overlap(extent_of(out), "y", extent_of(factor), "A");
    without_gil([&] { backend::kron_mode_product(factor, left, right, in.data, out.data); });
  });
}

// Columns of a vector (one) or of an array of `size` rows.
index_t columns_of(py::handle x, const char* name, index_t size) {
  info_of(x, name);
  const array_layout array = layout_of(x);
  if ((array.n_axes() != 1 && array.n_axes() != 2) || array.extents[0] != size)
    throw py::value_error(std::string(name) + " must have shape (" + std::to_string(size) + ",) or (" +
                          std::to_string(size) + ", columns), not " + array.text);
  return array.n_axes() == 1 ? 1 : array.extents[1];
}

// Product of one extent of every factor.
template <class T>
index_t product(const factor_list<T>& factors, index_t backend::kron_factor<T>::* extent_of_factor) {
  index_t size = 1;
  bool empty = false, fits = true;
  for (const auto& A : factors) {
    empty |= A.*extent_of_factor == 0;
    if (!empty) fits &= !__builtin_mul_overflow(size, A.*extent_of_factor, &size);
  }
  if (!empty && !fits)
    throw py::value_error("factors must have a product of less than 2^63 rows and columns");
  return empty ? 0 : size;
}

template <class T>
index_t work_size_of(const factor_list<T>& factors, index_t columns, int threads) {
  const index_t size = backend::kron_work_size(factors, columns, threads);
  if (size < 0) throw py::value_error("factors must have a product of less than 2^63 rows and columns");
  return size;
}

index_t work_size(py::handle factors, index_t columns) {
  if (columns < 0) throw py::value_error("columns must not be negative, not " + std::to_string(columns));
  return with_factors(factors, [&]<class T>(const factor_list<T>& list) {
#if defined(_OPENMP)
    return work_size_of(list, columns, omp_get_max_threads());
#else
    return work_size_of(list, columns, 1);
#endif
  });
}

void matvec(py::handle factors, py::handle x, py::handle y, py::handle work) {
  with_factors(factors, [&]<class T>(const factor_list<T>& list) {
    using factor = backend::kron_factor<T>;
    const index_t columns = columns_of(x, "x", product(list, &factor::n));
    if (columns_of(y, "y", product(list, &factor::m)) != columns)
      throw py::value_error("y must have as many columns as x, " + std::to_string(columns));
    const vec<const T> in = view<const T>(x, "x");
    const vec<T> out = view<T>(y, "y"), scratch = view<T>(work, "work");
    const index_t least = work_size_of(list, columns, 1);
    if (scratch.size < least)
      throw py::value_error("work must have at least " + std::to_string(least) + " values, not " +
                            std::to_string(scratch.size));
    refuse_overlap(extent_of(out), "y", extent_of(in), "x");
    refuse_overlap(extent_of(scratch), "work", extent_of(in), "x");
    refuse_overlap(extent_of(scratch), "work", extent_of(out), "y");
    for (std::size_t j = 0; j < list.size(); ++j) {
      refuse_overlap(extent_of(out), "y", extent_of(list[j]), "factors[" + std::to_string(j) + "]");
      refuse_overlap(extent_of(scratch), "work", extent_of(list[j]), "factors[" + std::to_string(j) + "]");
    }
    without_gil([&] { backend::kron_matvec(list, columns, in.data, out.data, scratch.data, scratch.size); });
  });
}

}  // namespace

void bind_kron(kernel_module& m) {
  m.def("kron_mode_product", &mode_product,
        "y[l, i, r] = sum_k A[i, k] x[l, k, r]. A: 2-D with any strides; x (left, n, right) and y (left, m, "
        "right): "
        "C-contiguous. All f4 or all f8.",
        py::arg("A"), py::arg("x"), py::arg("y"));
  m.def("kron_work_size", &work_size,
        "Values of work with which kron_matvec uses all threads that OpenMP allows the caller now. Only the "
        "extents of the "
        "factors count.",
        py::arg("factors"), py::arg("columns") = 1);
  m.def("kron_matvec", &matvec,
        "y = (factors[0] x ... x factors[-1]) x. factors: list or tuple of 2-D arrays with any strides; x "
        "and y: vectors, or "
        "C-contiguous (rows, columns); work: a vector, overwritten; with less than kron_work_size() values "
        "fewer threads are "
        "used. All f4 or all f8, and none may overlap another that is written.",
        py::arg("factors"), py::arg("x"), py::arg("y"), py::arg("work"));
}

}  // namespace pysolve::bind
