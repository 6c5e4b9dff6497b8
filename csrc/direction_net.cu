// CUDA kernels of direction_net; their bodies and launch shapes are in direction_net_body.hpp.
#include "cuda.cuh"
#include "direction_net_body.hpp"

namespace pysolve::cuda {

// The activations of the fine box twice, and those of the coarse one.
index_t direction_net_work_size(const index_t* n) {
  const net_box fine{n[0], n[1], n[2]};
  return (2 * fine.cells() + fine.halved().cells()) * net_channels;
}

// One thread for each channel in, channel out and row of three weights.
void direction_net_pack(const float* kernels, float* packed, index_t n_convolutions) {
  queue q("direction_net_pack");
  q.run(net_pack_body{kernels, packed, n_convolutions});
}

// A launch for each layer: one thread for each cell and output channel.
void direction_net_apply(const direction_net& net, const index_t* n, const float* r, float* d, float* work) {
  queue q("direction_net_apply");
  run_direction_net(q, net, n, r, d, work);
}

}  // namespace pysolve::cuda
