// The handle of a stencil operator: the view its kernels take, and the arrays it looks into, kept alive.
#pragma once
#include <memory>
#include <variant>
#include <vector>

#include "bind.hpp"

namespace pysolve::bind {

struct stencil_handle {
  std::variant<grid<float>, grid<double>> view;
  py::tuple owners;
  std::variant<std::vector<float>, std::vector<double>> zeros;  // that the view looks into
#if defined(PYSOLVE_BACKEND_cuda)
  int device = cuda::call::device();  // of its arrays
#endif
};

// f.template operator()<T>(grid) for the value type of the handle.
template <class F>
auto with_grid(const stencil_handle& handle, F&& f) {
#if defined(PYSOLVE_BACKEND_cuda)
  const std::string fault = cuda::call::add_device("grid", handle.device);
  if (!fault.empty()) throw py::type_error(fault);
#endif
  return std::visit([&]<class T>(const grid<T>& A) { return f.template operator()<T>(A); }, handle.view);
}

}  // namespace pysolve::bind
