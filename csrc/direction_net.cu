// CUDA kernels of direction_net; their bodies and launch shapes are in direction_net_body.hpp.
#include <stdexcept>
#include <string>

#include "cuda.cuh"
#include "direction_net_body.hpp"
#include "tensor_core.cuh"

namespace pysolve::cuda {
namespace {

// Its values are read 16 bytes at a time. What CuPy and NumPy allocate is aligned so; a part of it may not be.
void require_aligned(const char* name, const float* p) {
  if (reinterpret_cast<std::uintptr_t>(p) % sizeof(chunk) != 0)
    throw std::invalid_argument(std::string(name) + " must start at a multiple of 16 bytes");
}

}  // namespace

// The activations of the fine box twice, and those of the coarse one, in padded lines.
index_t direction_net_work_size(const index_t* n) {
  const net_box fine = net_box::padded(n[0], n[1], n[2]);
  return 2 * fine.values() + fine.halved().values();
}

void direction_net_pack(const float* kernels, float* packed, index_t n_convolutions) {
  require_aligned("packed", packed);
  queue q("direction_net_pack");
  q.run(net_pack_body{kernels, packed, n_convolutions});
}

void direction_net_apply(const direction_net& net, const index_t* n, const float* r, float* d, float* work) {
  require_aligned("first_kernel", net.first_kernel);
  require_aligned("first_bias", net.first_bias);
  require_aligned("kernels", net.kernels);
  require_aligned("packed", net.packed);
  require_aligned("biases", net.biases);
  require_aligned("work", work);
  queue q("direction_net_apply");
  run_direction_net(q, net, n, r, d, work);
}

}  // namespace pysolve::cuda
