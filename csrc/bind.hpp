// NumPy arrays, or anything with __cuda_array_interface__, as plain views: never a copy. Types, sizes and layout
// are checked here; what index arrays point to is checked once, by csr_check, before a matrix comes to the kernels.
// Each <stem>_bind.cpp is compiled once per backend, so that _core and _cuda have the same names.
#pragma once
#include <pybind11/complex.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>

#include "view.hpp"
#if defined(PYSOLVE_BACKEND_cuda)
#include "cuda.cuh"
#endif

namespace pysolve::bind {

namespace py = pybind11;

// What the kernels of a backend are bound to: on a device every call has a place, which its arrays tell.
#if defined(PYSOLVE_BACKEND_cpu)
using kernel_module = py::module_;
using kernel_guard = py::call_guard<>;
#else
using kernel_guard = py::call_guard<cuda::call>;  // of methods that look at arrays
struct kernel_module : py::module_ {
  explicit kernel_module(const py::module_& m) : py::module_(m) {}
  template <class F, class... Extra>
  void def(const char* name, F&& f, const Extra&... extra) {
    py::module_::def(name, std::forward<F>(f), extra..., kernel_guard());
  }
};
#endif

// What an array says of itself.
struct array_info {
  void* data;
  index_t size;
  char kind;      // 'f', 'c', 'i', ...
  index_t width;  // bytes per value
  bool contiguous, writeable;
};

inline std::string type_name(py::handle x) { return py::str(py::type::handle_of(x).attr("__name__")); }

// Arrays that stay on the host on every backend.
inline array_info host_info_of(py::handle x, const char* name) {
  if (!py::isinstance<py::array>(x))
    throw py::type_error(std::string(name) + " must be a NumPy array, not " + type_name(x));
  const auto a = py::reinterpret_borrow<py::array>(x);
  if (a.dtype().byteorder() != '=' && a.dtype().byteorder() != '|')
    throw py::type_error(std::string(name) + " must be in the machine's own byte order");
  return {const_cast<void*>(a.data()),          a.size(),     a.dtype().kind(), a.itemsize(),
          bool(a.flags() & py::array::c_style), a.writeable()};
}

#if defined(PYSOLVE_BACKEND_cpu)
inline array_info info_of(py::handle x, const char* name) { return host_info_of(x, name); }
#else
// Whether an array with these extents and strides (None: none told) has its values in C order without gaps.
inline bool in_c_order(const py::tuple& shape, const py::object& strides, index_t width) {
  if (strides.is_none()) return true;
  const auto steps = strides.cast<py::tuple>();
  bool dense = true;
  for (std::size_t axis = shape.size(); axis-- > 0; width *= shape[axis].cast<index_t>()) {
    if (shape[axis].cast<index_t>() == 0) return true;
    dense &= shape[axis].cast<index_t>() == 1 || steps[axis].cast<index_t>() == width;
  }
  return dense;
}

// The stream that an array's maker has work on it in; 0: none told.
inline std::uintptr_t stream_of(const py::dict& cai, const char* name) {
  const py::object stream = cai.attr("get")("stream");
  if (stream.is_none()) return 0;
  const auto number = stream.cast<std::intptr_t>();
  if (number == 0)
    throw py::value_error(std::string(name) +
                          " names stream 0, which may be one of two; 1 is the legacy one");
  return static_cast<std::uintptr_t>(number);
}

inline array_info info_of(py::handle x, const char* name) {
  if (!py::hasattr(x, "__cuda_array_interface__"))
    throw py::type_error(std::string(name) + " must be a device array (with __cuda_array_interface__), not " +
                         type_name(x));
  const py::dict cai = x.attr("__cuda_array_interface__");
  if (!cai.attr("get")("mask").is_none()) throw py::type_error(std::string(name) + " must not be masked");
  const py::tuple data = cai["data"], shape = cai["shape"];
  const std::string type = py::str(cai["typestr"]);
  if (type.size() < 3 || type[0] == '>')
    throw py::type_error(std::string(name) + " must be in the machine's own byte order, not " + type);
  const index_t width = std::stol(type.substr(2));
  index_t size = 1;
  for (py::handle extent : shape) size *= extent.cast<index_t>();
  const py::object strides = cai.attr("get")("strides");
  void* const memory = reinterpret_cast<void*>(data[0].cast<std::uintptr_t>());
  const std::string fault = cuda::call::add(name, size > 0 ? memory : nullptr, stream_of(cai, name));
  if (!fault.empty()) throw py::type_error(fault);
  return {memory, size, type[1], width, in_c_order(shape, strides, width), !data[1].cast<bool>()};
}
#endif

template <class T>
constexpr char kind_of() {
  return std::is_integral_v<T> ? 'i' : std::is_same_v<T, real_t<T>> ? 'f' : 'c';
}

template <class T>
bool holds(const array_info& a) {
  return a.kind == kind_of<T>() && a.width == index_t(sizeof(T));
}

// A view of an array as values of T (const T: reading is enough), of `size` values unless that is negative.
template <class T>
vec<T> view_of(const array_info& a, const char* name, index_t size) {
  using value = std::remove_const_t<T>;
  if (!holds<value>(a))
    throw py::type_error(std::string(name) + " must have dtype " + kind_of<value>() +
                         std::to_string(sizeof(value)) + ", not " + a.kind + std::to_string(a.width));
  if (a.size > 0 && reinterpret_cast<std::uintptr_t>(a.data) % alignof(value) != 0)
    throw py::value_error(std::string(name) + " must be aligned in memory");
  if (!a.contiguous) throw py::value_error(std::string(name) + " must be C-contiguous");
  if (!std::is_const_v<T> && !a.writeable) throw py::value_error(std::string(name) + " must be writeable");
  if (size >= 0 && a.size != size)
    throw py::value_error(std::string(name) + " must have " + std::to_string(size) + " values, not " +
                          std::to_string(a.size));
  return {static_cast<T*>(a.data), a.size};
}
template <class T>
vec<T> view(py::handle x, const char* name, index_t size = -1) {
  return view_of<T>(info_of(x, name), name, size);
}
template <class T>
vec<T> host_view(py::handle x, const char* name, index_t size = -1) {
  return view_of<T>(host_info_of(x, name), name, size);
}

// f.template operator()<T>() for the value type of x.
template <class F>
auto with_value(py::handle x, const char* name, F&& f) {
  const array_info a = info_of(x, name);
  if (holds<double>(a)) return f.template operator()<double>();
  if (holds<float>(a)) return f.template operator()<float>();
  if (holds<std::complex<double>>(a)) return f.template operator()<std::complex<double>>();
  if (holds<std::complex<float>>(a)) return f.template operator()<std::complex<float>>();
  throw py::type_error(std::string(name) + " must have dtype f4, f8, c8 or c16, not " + a.kind +
                       std::to_string(a.width));
}

// The same for real values alone.
template <class F>
auto with_real(py::handle x, const char* name, F&& f) {
  return with_value(x, name, [&]<class T>() {
    if constexpr (std::is_same_v<T, real_t<T>>)
      return f.template operator()<T>();
    else
      throw py::type_error(std::string(name) + " must have dtype f4 or f8");
    return decltype(f.template operator()<float>())();
  });
}

// The same for index arrays: int32 or int64.
template <class F>
auto with_index(py::handle x, const char* name, F&& f) {
  const array_info a = info_of(x, name);
  if (holds<std::int32_t>(a)) return f.template operator()<std::int32_t>();
  if (holds<std::int64_t>(a)) return f.template operator()<std::int64_t>();
  throw py::type_error(std::string(name) + " must have dtype i4 or i8, not " + a.kind +
                       std::to_string(a.width));
}

template <class F>
auto without_gil(F&& f) {
  py::gil_scoped_release release;
  return f();
}

// csr from its three arrays; n_cols from the caller. indptr's own values are checked by csr_check only.
template <class I, class T>
csr<I, T> view_csr(py::handle indptr, py::handle indices, py::handle data, index_t n_cols) {
  const vec<const I> p = view<const I>(indptr, "indptr");
  if (p.size < 1) throw py::value_error("indptr must have at least one value");
  const vec<const T> d = view<const T>(data, "data");
  const vec<const I> j = view<const I>(indices, "indices", d.size);
  return {p.size - 1, n_cols, p.data, j.data, d.data};
}

}  // namespace pysolve::bind
