// The inner convolutions of direction_net on the device: tensor cores, or plain float32.
//
// As tiles of products (tensor_core.hpp): 16 cells of a line, times 16 channels in, times 16 channels out, for each of
// the 27 neighbours. A block takes 4 x 8 x 16 cells; it splits these and their neighbours, 6 x 10 x 18 cells, into
// shared memory once. A warp has the four lines of 16 cells at one place across the planes: the tile it loads from a
// plane serves the three planes around it.
//
// Per block of 512 cells, bytes: 69 k read (mostly from L2: 34 k are the block's own), 33 k written, 33 k read where
// it adds; 95 k of shared memory, weights included, so that two blocks share a multiprocessor, and one fills while the
// other multiplies. Flops: 7.1 M counted, three times as many done, 12 tiles loaded from shared memory for 36 products
// of tiles. On an H200 (4.3 TB/s, bf16 through this instruction some 600 TFLOP/s): 160 bytes a cell are 37 ps, 41 kflop
// a cell 70 ps, the loads from shared memory 45 ps: tensor cores are the limit, 200 TFLOP/s counted at most.
#pragma once
#include "direction_net_box.hpp"
#include "tensor_core.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// y = relu(conv(x)) (+ added); `weights` are those of net_pack_body, of one layer.
struct net_tensor_body {
  static constexpr int planes = 4, lines = 8, cells = tile_size;        // of a block
  static constexpr int halo_lines = lines + 2, halo_cells = cells + 2;  // and of what it reads
  static constexpr int halo = (planes + 2) * halo_lines * halo_cells;
  static constexpr int weight_rows = 27 * int(net_channels);
  static constexpr int blocks_at_once = 2;  // of a multiprocessor
  static constexpr index_t most_blocks =
      528;  // each loads the weights once: of an H200 all, two rounds of them
  static_assert(net_channels == tile_size && halo % 8 == 0);

  net_box n;
  const chunk* weights;
  const float* bias;
  const float* x;
  const float* added;  // or null; may be y
  float* y;

  PYSOLVE_BODY net_box tiles() const {
    return {(n.n0 + planes - 1) / planes, (n.n1 + lines - 1) / lines, (n.n2 + cells - 1) / cells, 0};
  }
  PYSOLVE_BODY index_t n_blocks() const {
    return tiles().cells() < most_blocks ? tiles().cells() : most_blocks;
  }
  index_t shared_bytes() const { return index_t((halo + weight_rows) * row_chunks * sizeof(chunk)); }

  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    chunk* const inside = at.template dynamic_shared<chunk>();
    chunk* const w = inside + halo * row_chunks;
    for (int k = at.thread(); k < weight_rows * row_chunks; k += at.block_threads())
      w[chunk_at(k / row_chunks, k % row_chunks)] = weights[k];
    const net_box t = tiles();
    for (index_t tile = at.block(); tile < t.cells(); tile += at.n_blocks()) {
      const index_t i = tile / t.n2 / t.n1 * planes, j = tile / t.n2 % t.n1 * lines, k = tile % t.n2 * cells;
      at.sync();
      fill(at, inside, i, j, k);
      at.sync();
      const int left = int(n.n1 - j < lines ? n.n1 - j : lines);
      for (int line = at.thread() / warp_threads; line < left; line += at.block_threads() / warp_threads)
        convolve_lines(at, inside, w, line, i, j + line, k);
    }
  }

 private:
  // inside = the cells around the block at (i, j, k), split; 0 beyond the box. Eight threads on end take eight cells,
  // and a thread has four loads under way before it splits the first.
  template <class Place>
  PYSOLVE_AT_PLACE void fill(const Place& at, chunk* inside, index_t i, index_t j, index_t k) const {
    constexpr int batch = 4;
    const int step = at.block_threads();
    for (int first = at.thread(); first < 2 * halo; first += batch * step) {
      float v[batch][8] = {};
      PYSOLVE_UNROLL
      for (int u = 0; u < batch; ++u) {
        const int item = first + u * step, cell = item / 16 * 8 + item % 8, half = item / 8 % 2;
        const index_t a = i - 1 + cell / (halo_lines * halo_cells);
        const index_t b = j - 1 + cell / halo_cells % halo_lines, c = k - 1 + cell % halo_cells;
        if (item < 2 * halo && n.has(a, b, c)) load_values(x + n.at(a, b, c) * net_channels + half * 8, v[u]);
      }
      PYSOLVE_UNROLL
      for (int u = 0; u < batch; ++u) {
        const int item = first + u * step, cell = item / 16 * 8 + item % 8, half = item / 8 % 2;
        if (item < 2 * halo) split(at, v[u], inside[chunk_at(cell, half)], inside[chunk_at(cell, 2 + half)]);
      }
    }
  }

  // The lines (i ... i + 3, j) from cell k on, by one warp.
  template <class Place>
  PYSOLVE_AT_PLACE void convolve_lines(const Place& at, const chunk* inside, const chunk* w, int line,
                                       index_t i, index_t j, index_t k) const {
    const int lane = at.thread() % warp_threads;
    sum_tile sum[planes];
    PYSOLVE_UNROLL
    for (int e = 0; e < 8; ++e) {
      const float b = bias[tile_column(lane, e)];
      PYSOLVE_UNROLL
      for (int plane = 0; plane < planes; ++plane) sum[plane].value[e] = b;
    }
    PYSOLVE_ROLLED
    for (int bc = 0; bc < 9; ++bc)
      add_products(at, inside, (line + bc / 3) * halo_cells + bc % 3, w, bc * tile_size, sum);
    PYSOLVE_UNROLL
    for (int plane = 0; plane < planes; ++plane)
      if (i + plane < n.n0) store(lane, sum[plane], n.at(i + plane, j, k) * net_channels);
  }

  // sum += products with the neighbours at one place across the planes; `first` and `row` are that place's.
  template <class Place>
  PYSOLVE_AT_PLACE void add_products(const Place& at, const chunk* inside, int first, const chunk* w, int row,
                                     sum_tile (&sum)[planes]) const {
    using tile = decltype(load_tile(at, w, 0, 0));
    tile w_high[3], w_low[3];
    PYSOLVE_UNROLL
    for (int a = 0; a < 3; ++a) {
      w_high[a] = load_tile(at, w, a * 9 * tile_size + row, high_part);
      w_low[a] = load_tile(at, w, a * 9 * tile_size + row, low_part);
    }
    PYSOLVE_UNROLL
    for (int plane = 0; plane < planes + 2; ++plane) {  // of what was read: the a-th neighbour of plane - a
      const tile x_high = load_tile(at, inside, plane * halo_lines * halo_cells + first, high_part);
      const tile x_low = load_tile(at, inside, plane * halo_lines * halo_cells + first, low_part);
      PYSOLVE_UNROLL
      for (int a = 0; a < 3; ++a)
        if (plane >= a && plane - a < planes) multiply_add(at, sum[plane - a], x_low, w_high[a]);
      PYSOLVE_UNROLL
      for (int a = 0; a < 3; ++a)
        if (plane >= a && plane - a < planes) multiply_add(at, sum[plane - a], x_high, w_low[a]);
      PYSOLVE_UNROLL
      for (int a = 0; a < 3; ++a)
        if (plane >= a && plane - a < planes) multiply_add(at, sum[plane - a], x_high, w_high[a]);
    }
  }

  // Lines are padded to whole tiles, so that every cell of one has a place.
  PYSOLVE_BODY void store(int lane, const sum_tile& sum, index_t first) const {
    PYSOLVE_UNROLL
    for (int e = 0; e < 8; e += 2) {
      const index_t p = first + tile_row(lane, e) * net_channels + tile_column(lane, e);
      couple v{positive(sum.value[e]), positive(sum.value[e + 1])};
      if (added) {
        const couple more = load_whole<couple>(added + p);
        v = {v.a + more.a, v.b + more.b};
      }
      store_whole(y + p, v);
    }
  }
};

// y = conv(x) of `inputs` channels in plain float32; with `inner`, y = relu(conv(x)) (+ added). One thread for each
// cell and four output channels.
struct net_plain_body {
  net_box in, out;  // the same cells
  index_t inputs;
  bool inner;
  const float* kernel;
  const float* bias;
  const float* x;
  const float* added;  // or null; may be y
  float* y;
  PYSOLVE_BODY index_t n_blocks() const { return out.n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_quads(at, out, [&](index_t i, index_t j, index_t k, index_t channel) {
      quad sum = load_quad(bias + channel);
      for (index_t tap = 0; tap < 27; ++tap) {
        const index_t a = i + tap / 9 - 1, b = j + tap / 3 % 3 - 1, c = k + tap % 3 - 1;
        if (!in.has(a, b, c)) continue;
        const float* from = x + in.at(a, b, c) * inputs;
        const float* w = kernel + tap * inputs * net_channels + channel;
        for (index_t p = 0; p < inputs; ++p) sum += load_quad(w + p * net_channels) * from[p];
      }
      if (inner)
        for (float& s : sum.v) s = positive(s);
      const index_t p = out.at(i, j, k) * net_channels + channel;
      if (added) sum += load_quad(added + p);
      store_quad(y + p, sum);
    });
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
