// Bodies of the CUDA kernels of direction_net, and the launches of a whole net: a launch for each layer. What is not a
// convolution moves its bytes once, 16 a thread: a pool 72 a cell, raising 136, the last layer 68.
#pragma once
#include "direction_net_convolve.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// coarse = averages over the cells that a block of 2 x 2 x 2 has.
struct net_pool_body {
  net_box n;
  const float* fine;
  float* coarse;
  PYSOLVE_BODY index_t n_blocks() const { return n.halved().n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const net_box half = n.halved();
    over_quads(at, half, [&](index_t i, index_t j, index_t k, index_t channel) {
      quad sum = {};
      int count = 0;
      for (int corner = 0; corner < 8; ++corner) {
        const index_t a = 2 * i + corner / 4, b = 2 * j + corner / 2 % 2, c = 2 * k + corner % 2;
        if (!n.has(a, b, c)) continue;
        sum += load_quad(fine + n.at(a, b, c) * net_channels + channel);
        ++count;
      }
      store_quad(coarse + half.at(i, j, k) * net_channels + channel, sum * (1 / float(count)));
    });
  }
};

// fine += the coarse cell around it.
struct net_raise_body {
  net_box n;
  const float* coarse;
  float* fine;
  PYSOLVE_BODY index_t n_blocks() const { return n.n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const net_box half = n.halved();
    over_quads(at, n, [&](index_t i, index_t j, index_t k, index_t channel) {
      float* const p = fine + n.at(i, j, k) * net_channels + channel;
      quad sum = load_quad(p);
      sum += load_quad(coarse + half.at(i / 2, j / 2, k / 2) * net_channels + channel);
      store_quad(p, sum);
    });
  }
};

// d = last . x + bias in every cell; d is not padded.
struct net_last_body {
  net_box n;
  const float* kernel;
  float bias;
  const float* x;
  float* d;
  PYSOLVE_BODY index_t n_blocks() const { return n.n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_cells(at, n, 1, [&](index_t i, index_t j, index_t k, index_t) {
      quad sum = {{bias, 0, 0, 0}};
      const float* const from = x + n.at(i, j, k) * net_channels;
      for (index_t c = 0; c < net_channels; c += 4) {
        const quad values = load_quad(from + c);
        for (int p = 0; p < 4; ++p) sum.v[p] += kernel[c + p] * values.v[p];
      }
      d[(i * n.n1 + j) * n.n2 + k] = (sum.v[0] + sum.v[1]) + (sum.v[2] + sum.v[3]);
    });
  }
};

// packed = rows for tensor_core.hpp, one for each layer, neighbour and channel out: the 16 weights in, split. They are
// half as many bytes as the CPU's, for which `packed` has room; the rest is 0.
struct net_pack_body {
  const float* kernels;
  float* packed;
  index_t n_convolutions;
  PYSOLVE_BODY index_t rows() const { return n_convolutions * 27 * net_channels; }
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(2 * rows(), block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    chunk* const to = reinterpret_cast<chunk*>(packed);
    over_elements(at, 2 * rows(), [&](index_t item) {
      const index_t row = item / 2, half = item % 2, tap = row / net_channels, out = row % net_channels;
      const float* const w = kernels + (tap * net_channels + half * 8) * net_channels + out;
      float v[8];
      for (int in = 0; in < 8; ++in) v[in] = w[in * net_channels];
      chunk* const into = to + row * row_chunks + half;
      split(at, v, into[0], into[2]);
      into[rows() * row_chunks] = into[rows() * row_chunks + 2] = chunk{};
    });
  }
};

// The inner convolutions of a net one after another, x -> x with y as scratch.
template <class Queue>
struct net_layers {
  Queue& queue;
  const direction_net& net;
  index_t next = 0;
  void convolve(const net_box& n, const float* x, const float* added, float* y) {
    constexpr index_t size = 27 * net_channels * net_channels;
    const float* const bias = net.biases + next * net_channels;
    if (net.packed) {
      const chunk* const weights = reinterpret_cast<const chunk*>(net.packed + next * size);
      queue.run(net_tensor_body{n, weights, bias, x, added, y});
    } else {
      queue.run(net_plain_body{n, n, net_channels, true, net.kernels + next * size, bias, x, added, y});
    }
    ++next;
  }
  void pairs(const net_box& n, index_t count, float* x, float* y) {
    for (; count > 0; --count) {
      convolve(n, x, nullptr, y);
      convolve(n, y, x, x);
    }
  }
};

template <class Queue>
void run_direction_net(Queue& queue, const direction_net& net, const index_t* extents, const float* r,
                       float* d, float* work) {
  const net_box n = net_box::padded(extents[0], extents[1], extents[2]);
  const net_box unpadded{n.n0, n.n1, n.n2, n.n2};
  float* const x = work;
  float* const fine = x + n.values();
  float* const coarse = fine + n.values();
  net_layers<Queue> layers{queue, net};
  queue.run(net_plain_body{unpadded, n, 1, false, net.first_kernel, net.first_bias, r, nullptr, fine});
  layers.convolve(n, fine, nullptr, x);
  layers.pairs(n, (net.fine - 2) / 2, x, fine);
  layers.convolve(n, x, nullptr, fine);
  queue.run(net_pool_body{n, fine, coarse});
  layers.pairs(n.halved(), net.coarse / 2, coarse, x);
  queue.run(net_raise_body{n, coarse, fine});
  layers.pairs(n, net.up / 2, fine, x);
  queue.run(net_last_body{n, net.last_kernel, net.last_bias, fine, d});
}

}  // namespace pysolve::PYSOLVE_BACKEND
