// The extents and strides of an array of any number of axes, of NumPy or of a device.
#pragma once
#include <pybind11/stl.h>

#include <vector>

#include "bind.hpp"

namespace pysolve::bind {

struct array_layout {
  std::vector<index_t> extents, strides;  // strides in bytes
  std::string text;                       // the extents as Python writes them
  std::size_t n_axes() const { return extents.size(); }
};

#if defined(PYSOLVE_BACKEND_cpu)
inline array_layout layout_of(py::handle x) {
  const auto a = py::reinterpret_borrow<py::array>(x);
  return {{a.shape(), a.shape() + a.ndim()}, {a.strides(), a.strides() + a.ndim()}, py::str(a.attr("shape"))};
}
#else
// Where the array tells no strides it is in C order without gaps.
inline array_layout layout_of(py::handle x) {
  const py::dict cai = x.attr("__cuda_array_interface__");
  const py::tuple shape = cai["shape"];
  const auto extents = shape.cast<std::vector<index_t>>();
  const py::object told = cai.attr("get")("strides");
  if (!told.is_none()) return {extents, told.cast<std::vector<index_t>>(), py::str(shape)};
  std::vector<index_t> strides(extents.size());
  index_t width = std::stol(std::string(py::str(cai["typestr"])).substr(2));
  for (std::size_t axis = extents.size(); axis-- > 0; width *= extents[axis]) strides[axis] = width;
  return {extents, strides, py::str(shape)};
}
#endif

}  // namespace pysolve::bind
