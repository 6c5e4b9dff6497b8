// Bodies of the CUDA kernels of direction_net, and the launches of a whole net.
//
// Plain convolutions, one thread for each cell and output channel: the 16 threads of a cell read the same inputs,
// and the same line of weights. Cells are kept plain, [cell][16]; nothing is transformed.
#pragma once
#include "device_body.hpp"
#include "direction_net.hpp"

namespace pysolve::PYSOLVE_BACKEND {

constexpr index_t net_channels = direction_net_channels;

// A box of cells in C order, and where a cell is in it.
struct net_box {
  index_t n0, n1, n2;
  PYSOLVE_BODY index_t cells() const { return n0 * n1 * n2; }
  PYSOLVE_BODY net_box halved() const { return {(n0 + 1) / 2, (n1 + 1) / 2, (n2 + 1) / 2}; }
  PYSOLVE_BODY index_t at(index_t i, index_t j, index_t k) const { return (i * n1 + j) * n2 + k; }
  PYSOLVE_BODY void place(index_t cell, index_t& i, index_t& j, index_t& k) const {
    k = cell % n2;
    j = cell / n2 % n1;
    i = cell / n2 / n1;
  }
  PYSOLVE_BODY bool has(index_t i, index_t j, index_t k) const {
    return i >= 0 && i < n0 && j >= 0 && j < n1 && k >= 0 && k < n2;
  }
};

PYSOLVE_BODY index_t net_blocks(index_t cells) { return blocks_for(cells * net_channels, block_threads); }

// y = conv(x) of `inputs` channels; with `inner`, y = relu(conv(x)) (+ added).
struct net_convolve_body {
  net_box n;
  index_t inputs;
  bool inner;
  const float* kernel;
  const float* bias;
  const float* x;
  const float* added;  // or null; may be y
  float* y;
  PYSOLVE_BODY index_t n_blocks() const { return net_blocks(n.cells()); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& place) const {
    over_elements(place, n.cells() * net_channels, [&](index_t element) {
      const index_t cell = element / net_channels, out = element % net_channels;
      index_t i, j, k;
      n.place(cell, i, j, k);
      float sum = 0;
      for (index_t tap = 0; tap < 27; ++tap) {
        const index_t a = i + tap / 9 - 1, b = j + tap / 3 % 3 - 1, c = k + tap % 3 - 1;
        if (!n.has(a, b, c)) continue;
        const float* in = x + n.at(a, b, c) * inputs;
        const float* w = kernel + tap * inputs * net_channels + out;
        for (index_t channel = 0; channel < inputs; ++channel) sum += in[channel] * w[channel * net_channels];
      }
      sum += bias[out];
      if (inner && !(sum > 0)) sum = 0;
      y[element] = added ? sum + added[element] : sum;
    });
  }
};

// coarse = averages over the cells that a block of 2 x 2 x 2 has.
struct net_pool_body {
  net_box n;
  const float* fine;
  float* coarse;
  PYSOLVE_BODY index_t n_blocks() const { return net_blocks(n.halved().cells()); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& place) const {
    const net_box half = n.halved();
    over_elements(place, half.cells() * net_channels, [&](index_t element) {
      index_t i, j, k, count = 0;
      half.place(element / net_channels, i, j, k);
      float sum = 0;
      for (index_t corner = 0; corner < 8; ++corner) {
        const index_t a = 2 * i + corner / 4, b = 2 * j + corner / 2 % 2, c = 2 * k + corner % 2;
        if (!n.has(a, b, c)) continue;
        sum += fine[n.at(a, b, c) * net_channels + element % net_channels];
        ++count;
      }
      coarse[element] = sum / float(count);
    });
  }
};

// fine += the coarse cell around it.
struct net_raise_body {
  net_box n;
  const float* coarse;
  float* fine;
  PYSOLVE_BODY index_t n_blocks() const { return net_blocks(n.cells()); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& place) const {
    const net_box half = n.halved();
    over_elements(place, n.cells() * net_channels, [&](index_t element) {
      index_t i, j, k;
      n.place(element / net_channels, i, j, k);
      fine[element] += coarse[half.at(i / 2, j / 2, k / 2) * net_channels + element % net_channels];
    });
  }
};

// d = last . x + bias in every cell.
struct net_last_body {
  index_t cells;
  const float* kernel;
  float bias;
  const float* x;
  float* d;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(cells, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& place) const {
    over_elements(place, cells, [&](index_t cell) {
      float sum = bias;
      for (index_t c = 0; c < net_channels; ++c) sum += kernel[c] * x[cell * net_channels + c];
      d[cell] = sum;
    });
  }
};

// The kernels in the CPU's transformed form, which the convolutions here do not use.
struct net_pack_body {
  const float* kernels;
  float* packed;
  index_t n_convolutions;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n_convolutions * 9, 1); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& place) const {
    constexpr index_t size = net_channels * net_channels;
    over_elements(place, n_convolutions * 9 * size, [&](index_t element) {
      const index_t k = element % size, xy = element / size % 9, layer = element / size / 9;
      const float* w = kernels + (layer * 27 + xy * 3) * size + k;
      float* out = packed + (layer * 54 + xy) * size + k;
      const double even1 = w[0] + 0.5 * w[2 * size], odd1 = 0.70710678118654752 * w[size];
      const double even2 = w[0] + 2.0 * w[2 * size], odd2 = 1.41421356237309505 * w[size];
      out[0] = w[0];
      out[9 * size] = float((even1 + odd1) / -1.5);
      out[18 * size] = float((even1 - odd1) / -1.5);
      out[27 * size] = float((even2 + odd2) / 6);
      out[36 * size] = float((even2 - odd2) / 6);
      out[45 * size] = w[2 * size];
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
    const float* kernel = net.kernels + next * 27 * net_channels * net_channels;
    queue.run(
        net_convolve_body{n, net_channels, true, kernel, net.biases + next * net_channels, x, added, y});
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
  const net_box n{extents[0], extents[1], extents[2]};
  float* x = work;
  float* fine = x + n.cells() * net_channels;
  float* coarse = fine + n.cells() * net_channels;
  net_layers<Queue> layers{queue, net};
  queue.run(net_convolve_body{n, 1, false, net.first_kernel, net.first_bias, r, nullptr, fine});
  layers.convolve(n, fine, nullptr, x);
  layers.pairs(n, (net.fine - 2) / 2, x, fine);
  layers.convolve(n, x, nullptr, fine);
  queue.run(net_pool_body{n, fine, coarse});
  layers.pairs(n.halved(), net.coarse / 2, coarse, x);
  queue.run(net_raise_body{n, coarse, fine});
  layers.pairs(n, net.up / 2, fine, x);
  queue.run(net_last_body{n.cells(), net.last_kernel, net.last_bias, fine, d});
}

}  // namespace pysolve::PYSOLVE_BACKEND
