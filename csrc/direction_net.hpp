// direction_net: the convolutional network that proposes the directions of the deep conjugate direction method.
//
//   y = conv(r)                                  linear, 1 -> 16 channels
//   y = relu(conv(y));  y = pairs(y, (fine - 2) / 2);  y = relu(conv(y))
//   z = pairs(average of 2 x 2 x 2 cells of y, coarse / 2)
//   y = pairs(z of the cell's 2 x 2 x 2 block + y, up / 2)
//   d = last . y + bias                          in every cell, 16 -> 1
//
//   pairs(x, k): k times  x = relu(conv(relu(conv(x)))) + x;   conv: 3 x 3 x 3, x = 0 beyond the box, with bias
//
// Along an odd extent the last block averages the cells that there are. Values are float32 in memory; cells in C
// order, 16 channels of a cell side by side.
//
// On the CPU the convolutions take three weights along the last axis to six products for four cells (F(4, 3) of
// Winograd, with the points 0, +-1/sqrt(2), +-sqrt(2), infinity): half the multiplications. `packed` has the kernels so
// transformed. On the device they are products of tiles on tensor cores (direction_net_convolve.hpp); `packed` has the
// weights split in two numbers of bfloat16, as the activations are. Without `packed` they are plain and in float32.
// Error of d, of its largest value, with the weights shipped, on boxes of 16^3 and 32^3, simulated: at most 5e-6 split
// and 5e-7 plain. (Products of single numbers of half precision or TF32 would have 2e-4, of bfloat16 2e-3.)
//
// Flops per cell of a fine convolution 13,824 as written; on the CPU 6,912 are multiplied and added. A whole net of
// (fine + up + coarse / 8) convolutions does 122 kflop a cell (4, 6, 4) or 183 kflop (6, 10, 6).
// Bytes per cell of a convolution on the CPU: 96 read, 96 written, 64 read where it adds, 64 written where what follows
// adds: 2 to 3 bytes per 100 flops. On the device 64 read, 64 written, 64 read where it adds.
// Workspace per cell 264 bytes on the CPU, 136 on the device, where lines are padded to 16 cells.
// Reference: tests/reference/direction_net.py; A. Kaneda et al., ICML 2023 (network); A. Lavin, S. Gray, CVPR 2016
// (transformation).
#pragma once
#include "view.hpp"

namespace pysolve {

constexpr index_t direction_net_channels = 16;

// The weights: kernels [x][y][z][in][out], of the inner convolutions one after another.
struct direction_net {
  index_t fine, coarse, up;  // convolutions 16 -> 16 of each block: fine and coarse and up are even, fine > 0
  const float* first_kernel;  // 27 x 16
  const float* first_bias;    // 16
  const float* kernels;       // (fine + coarse + up) x 27 x 16 x 16
  const float* packed;        // (fine + coarse + up) x 54 x 16 x 16; null on the device: plain products
  const float* biases;        // (fine + coarse + up) x 16
  const float* last_kernel;   // 16
  float last_bias;
};

namespace PYSOLVE_BACKEND {

// Values of workspace that a box of n[0] x n[1] x n[2] cells needs.
index_t direction_net_work_size(const index_t* n);

// packed = the kernels of n_convolutions in the form that the products of the backend take, in twice their values: on
// the CPU [6][x][y] x [in][out], transformed along their last axis.
void direction_net_pack(const float* kernels, float* packed, index_t n_convolutions);

// d = f(r) on a box of n[0] x n[1] x n[2] cells. `work` is overwritten. On the device weights and `work` start at a
// multiple of 16 bytes.
void direction_net_apply(const direction_net& net, const index_t* n, const float* r, float* d, float* work);

}  // namespace PYSOLVE_BACKEND
}  // namespace pysolve
