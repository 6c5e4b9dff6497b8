#include "direction_net.hpp"

#include "bind.hpp"

namespace pysolve::bind {
namespace {

namespace backend = pysolve::PYSOLVE_BACKEND;

constexpr index_t size = direction_net_channels;

struct extents {
  index_t n[3];
  explicit extents(const py::tuple& from) {
    if (from.size() != 3) throw py::value_error("n must have three entries");
    index_t bytes = 16384;  // a cell, more than its workspace
    for (int a = 0; a < 3; ++a) {
      n[a] = from[a].cast<index_t>();
      if (n[a] < 1) throw py::value_error("n must be positive along every axis");
      if (__builtin_mul_overflow(bytes, n[a], &bytes))
        throw py::value_error("n names more cells than memory can hold");
    }
  }
  index_t cells() const { return n[0] * n[1] * n[2]; }
};

// (blocks, first_kernel, first_bias, kernels, packed, biases, last_kernel, last_bias), the arrays checked; packed may
// be None.
direction_net view_net(const py::tuple& weights) {
  if (weights.size() != 8) throw py::value_error("weights must have eight entries");
  const py::tuple blocks = weights[0].cast<py::tuple>();
  if (blocks.size() != 3) throw py::value_error("blocks must have three entries");
  direction_net net{};
  net.fine = blocks[0].cast<index_t>();
  net.coarse = blocks[1].cast<index_t>();
  net.up = blocks[2].cast<index_t>();
  for (const index_t count : {net.fine, net.coarse, net.up})
    if (count < 2 || count > 1024 || count % 2 != 0)
      throw py::value_error("blocks must be even numbers in [2, 1024]");
  const index_t inner = net.fine + net.coarse + net.up;
  net.first_kernel = view<const float>(weights[1], "first_kernel", 27 * size).data;
  net.first_bias = view<const float>(weights[2], "first_bias", size).data;
  net.kernels = view<const float>(weights[3], "kernels", inner * 27 * size * size).data;
  if (!weights[4].is_none())
    net.packed = view<const float>(weights[4], "packed", inner * 54 * size * size).data;
  net.biases = view<const float>(weights[5], "biases", inner * size).data;
  net.last_kernel = view<const float>(weights[6], "last_kernel", size).data;
  net.last_bias = weights[7].cast<float>();
  return net;
}

index_t work_size(const py::tuple& n) { return backend::direction_net_work_size(extents(n).n); }

void pack(py::handle kernels, py::handle packed) {
  const vec<const float> in = view<const float>(kernels, "kernels");
  const index_t one = 27 * size * size, count = in.size / one;
  if (in.size % one != 0) throw py::value_error("kernels must have a multiple of 6912 values");
  const vec<float> out = view<float>(packed, "packed", 2 * in.size);
  without_gil([&] { backend::direction_net_pack(in.data, out.data, count); });
}

void apply(const py::tuple& weights, const py::tuple& n, py::handle r, py::handle d, py::handle work) {
  const direction_net net = view_net(weights);
  const extents box(n);
  const vec<const float> in = view<const float>(r, "r", box.cells());
  const vec<float> out = view<float>(d, "d", box.cells());
  const vec<float> space = view<float>(work, "work", backend::direction_net_work_size(box.n));
  without_gil([&] { backend::direction_net_apply(net, box.n, in.data, out.data, space.data); });
}

}  // namespace

void bind_direction_net(kernel_module& m) {
  m.def("direction_net_work_size", &work_size, "Values of workspace for a box of n cells", py::arg("n"));
  m.def("direction_net_pack", &pack, "Kernels in the form that the products of this backend take",
        py::arg("kernels"), py::arg("packed"));
  m.def("direction_net_apply", &apply, "d = f(r), the network's direction for a residual", py::arg("weights"),
        py::arg("n"), py::arg("r"), py::arg("d"), py::arg("work"));
}

}  // namespace pysolve::bind
