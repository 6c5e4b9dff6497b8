// Boxes of cells as the CUDA kernels of direction_net keep them: 16 channels of a cell side by side, lines of cells
// padded to whole tiles of 16, so that no store needs a check. What is in the padding is never read.
#pragma once
#include "device_body.hpp"
#include "direction_net.hpp"
#include "tensor_core.hpp"

namespace pysolve::PYSOLVE_BACKEND {

constexpr index_t net_channels = direction_net_channels;
constexpr index_t net_line = 16;  // cells that the length of a line is a multiple of

struct net_box {
  index_t n0, n1, n2, pitch;  // pitch: cells from line to line
  PYSOLVE_BODY static net_box padded(index_t n0, index_t n1, index_t n2) {
    return {n0, n1, n2, (n2 + net_line - 1) / net_line * net_line};
  }
  PYSOLVE_BODY index_t cells() const { return n0 * n1 * n2; }
  PYSOLVE_BODY index_t values() const { return n0 * n1 * pitch * net_channels; }
  PYSOLVE_BODY net_box halved() const { return padded((n0 + 1) / 2, (n1 + 1) / 2, (n2 + 1) / 2); }
  PYSOLVE_BODY index_t at(index_t i, index_t j, index_t k) const { return (i * n1 + j) * pitch + k; }
  PYSOLVE_BODY bool has(index_t i, index_t j, index_t k) const {
    return i >= 0 && i < n0 && j >= 0 && j < n1 && k >= 0 && k < n2;
  }
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n0 * n1, 1); }
};

// f(i, j, k) of every cell: a block takes lines, its threads the cells of a line `share` threads each; f(.., part).
template <class Place, class F>
PYSOLVE_AT_PLACE void over_cells(const Place& at, const net_box& n, int share, F f) {
  for (index_t line = at.block(); line < n.n0 * n.n1; line += at.n_blocks()) {
    const index_t i = line / n.n1, j = line % n.n1;
    for (index_t item = at.thread(); item < n.n2 * share; item += at.block_threads())
      f(i, j, item / share, item % share);
  }
}

// Four channels of a cell: 16 bytes, as all arrays are aligned to.
struct alignas(16) quad {
  float v[4];
  PYSOLVE_BODY quad& operator+=(const quad& o) {
    for (int c = 0; c < 4; ++c) v[c] += o.v[c];
    return *this;
  }
  PYSOLVE_BODY quad operator*(float a) const { return {{v[0] * a, v[1] * a, v[2] * a, v[3] * a}}; }
};
struct alignas(8) couple {
  float a, b;
};
PYSOLVE_BODY quad load_quad(const float* p) { return load_whole<quad>(p); }
PYSOLVE_BODY void store_quad(float* p, const quad& q) { store_whole(p, q); }
PYSOLVE_BODY void load_values(const float* p, float (&v)[8]) {
  const quad first = load_quad(p), second = load_quad(p + 4);
  for (int c = 0; c < 4; ++c) {
    v[c] = first.v[c];
    v[c + 4] = second.v[c];
  }
}
PYSOLVE_BODY float positive(float a) { return a > 0 ? a : 0; }

// f(i, j, k, channel) of every cell and every fourth channel.
template <class Place, class F>
PYSOLVE_AT_PLACE void over_quads(const Place& at, const net_box& n, F f) {
  over_cells(at, n, 4, [&](index_t i, index_t j, index_t k, index_t part) { f(i, j, k, 4 * part); });
}

}  // namespace pysolve::PYSOLVE_BACKEND
