#include "direction_net.hpp"

#include <cmath>
#include <stdexcept>

#include "direction_net_row.hpp"
#include "parallel.hpp"

namespace pysolve::cpu {
namespace {

// Threads are counted by memory traffic: a convolution of so many cells takes as long as so many bytes.
constexpr index_t bytes_per_cell = 4096;

struct box {
  index_t n0, n1, n2, tiles;
  explicit box(const index_t* n) : n0(n[0]), n1(n[1]), n2(n[2]), tiles(n_tiles(n[2])) {}
  box(index_t a, index_t b, index_t c) : n0(a), n1(b), n2(c), tiles(n_tiles(c)) {}
  box halved() const { return {(n0 + 1) / 2, (n1 + 1) / 2, (n2 + 1) / 2}; }
  index_t rows() const { return n0 * n1; }
  index_t plain_row() const { return n2 * channels; }
  index_t tiled_row() const { return tiles * n_points * channels; }
};

// A convolution: what it reads and writes. Plain rows are [z][16], tiled ones as in direction_net_row.hpp.
struct convolution {
  box n;
  const float* in;  // tiled
  const float* packed;
  const float* bias;
  const float* added;        // plain, or null
  float* plain;              // or null; may be `added`
  float* tiled;              // or null
  const direction_net* net;  // whose last layer is applied, or null
  float* d;                  // that it writes
};

// AVX2 alone: see direction_net_row.hpp.
bool prefers_halves() {
#if defined(PYSOLVE_HAS_CLONES)
  return __builtin_cpu_supports("avx2") && !__builtin_cpu_supports("avx512f");
#elif defined(__AVX2__) && !defined(__AVX512F__)
  return true;
#else
  return false;
#endif
}

template <class Cell>
PYSOLVE_CLONES void convolve_rows(const convolution& c, index_t begin, index_t end) {
  const box n = c.n;
  alignas(64) float sums[n_points * tile_block * channels];
  const Cell bias = load_cell<Cell>(c.bias);
  const Cell last = c.net ? load_cell<Cell>(c.net->last_kernel) : Cell{};
  for (index_t row = begin; row < end; ++row) {
    const neighbours around(c.in, n.tiled_row(), c.packed, channels * channels, n.n0, n.n1, row / n.n1,
                            row % n.n1);
    tile_writer<Cell> writer(c.tiled ? c.tiled + row * n.tiled_row() : nullptr, n.tiles);
    for (index_t tile = 0; tile < n.tiles; tile += tile_block) {
      const index_t count = std::min(tile_block, n.tiles - tile);
      add_all_products<Cell>(around, tile, count, n.tiles, sums);
      for (index_t t = 0; t < count; ++t) {
        Cell cell[tile_cells];
        cells_of_tile(sums + t * channels, cell);
        const index_t z = (tile + t) * tile_cells, there = std::min(tile_cells, n.n2 - z);
        for (index_t k = 0; k < there; ++k) {
          const index_t at = row * n.n2 + z + k;
          Cell y = positive(cell[k] + bias);
          if (c.added) y += load_cell<Cell>(c.added + at * channels);
          if (c.plain) store_cell(c.plain + at * channels, y);
          if (c.tiled) writer.push(y);
          if (c.net) c.d[at] = channel_sum(y * last) + c.net->last_bias;
        }
      }
    }
    if (c.tiled) writer.finish();
  }
}

// The first convolution, of one channel and linear: y = conv(r), tiled.
template <class Cell>
PYSOLVE_CLONES void first_rows(const direction_net& net, box n, const float* r, float* tiled, index_t begin,
                               index_t end) {
  const Cell bias = load_cell<Cell>(net.first_bias);
  for (index_t row = begin; row < end; ++row) {
    const neighbours around(r, n.n2, net.first_kernel, 3 * channels, n.n0, n.n1, row / n.n1, row % n.n1);
    tile_writer<Cell> writer(tiled + row * n.tiled_row(), n.tiles);
    for (index_t z = 0; z < n.n2; z += tile_cells) {
      Cell y[tile_cells] = {bias, bias, bias, bias};
      for (int k = 0; k < around.count; ++k) {
        float x[n_points];
        for (index_t a = 0; a < n_points; ++a) {
          const index_t at = z - 1 + a;
          x[a] = at >= 0 && at < n.n2 ? around.row[k][at] : 0.0f;
        }
        for (index_t b = 0; b < 3; ++b) {
          const Cell weights = load_cell<Cell>(around.kernel[k] + b * channels);
          for (index_t a = 0; a < tile_cells; ++a) y[a] += weights * x[a + b];
        }
      }
      for (index_t a = 0; a < std::min(tile_cells, n.n2 - z); ++a) writer.push(y[a]);
    }
    writer.finish();
  }
}

// Rows of the halved box: averages over the cells that a block of 2 x 2 x 2 has; plain and tiled.
template <class Cell>
PYSOLVE_CLONES void pool_rows(const float* fine, box n, float* plain, float* tiled, index_t begin,
                              index_t end) {
  const box half = n.halved();
  for (index_t row = begin; row < end; ++row) {
    const index_t i0 = row / half.n1 * 2, j0 = row % half.n1 * 2;
    const index_t i1 = std::min(i0 + 2, n.n0), j1 = std::min(j0 + 2, n.n1);
    tile_writer<Cell> writer(tiled + row * half.tiled_row(), half.tiles);
    for (index_t z = 0; z < half.n2; ++z) {
      const index_t k0 = 2 * z, k1 = std::min(k0 + 2, n.n2);
      Cell sum = {};
      for (index_t i = i0; i < i1; ++i)
        for (index_t j = j0; j < j1; ++j)
          for (index_t k = k0; k < k1; ++k)
            sum += load_cell<Cell>(fine + ((i * n.n1 + j) * n.n2 + k) * channels);
      sum = sum * (1.0f / float((i1 - i0) * (j1 - j0) * (k1 - k0)));
      store_cell(plain + (row * half.n2 + z) * channels, sum);
      writer.push(sum);
    }
    writer.finish();
  }
}

// fine += the coarse cell around it; plain and tiled.
template <class Cell>
PYSOLVE_CLONES void raise_rows(const float* coarse, float* fine, box n, float* tiled, index_t begin,
                               index_t end) {
  const box half = n.halved();
  for (index_t row = begin; row < end; ++row) {
    const index_t i = row / n.n1, j = row % n.n1;
    const float* above = coarse + (i / 2 * half.n1 + j / 2) * half.plain_row();
    tile_writer<Cell> writer(tiled + row * n.tiled_row(), n.tiles);
    for (index_t z = 0; z < n.n2; ++z) {
      float* at = fine + (row * n.n2 + z) * channels;
      const Cell y = load_cell<Cell>(at) + load_cell<Cell>(above + z / 2 * channels);
      store_cell(at, y);
      writer.push(y);
    }
    writer.finish();
  }
}

template <class F>
void over_rows(const box& n, F&& f) {
  parallel_ranges(n.rows(), n_threads(n.rows() * n.n2 * bytes_per_cell), f);
}

// Takes the inner convolutions of a net one after another.
template <class Cell>
class layers {
  const direction_net& net_;
  index_t next_ = 0;

 public:
  explicit layers(const direction_net& net) : net_(net) {}

  void convolve(const box& n, const float* in, const float* added, float* plain, float* tiled,
                float* d = nullptr) {
    const convolution c{n,
                        in,
                        net_.packed + next_ * n_points * 9 * channels * channels,
                        net_.biases + next_ * channels,
                        added,
                        plain,
                        tiled,
                        d ? &net_ : nullptr,
                        d};
    ++next_;
    over_rows(n, [&](index_t begin, index_t end) { convolve_rows<Cell>(c, begin, end); });
  }

  // From x, plain and in `a`, to the result, plain in x and tiled in `a`; the last pair writes d where one is given.
  void pairs(const box& n, index_t count, float* x, float* a, float* b, float* d = nullptr) {
    for (; count > 0; --count) {
      convolve(n, a, nullptr, nullptr, b);
      if (d && count == 1)
        convolve(n, b, x, nullptr, nullptr, d);
      else
        convolve(n, b, x, x, a);
    }
  }
};

template <class Cell>
void apply(const direction_net& net, const index_t* extents, const float* r, float* d, float* work) {
  const box n(extents), half = n.halved();
  float* a = work;
  float* b = a + n.rows() * n.tiled_row();
  float* fine = b + n.rows() * n.tiled_row();
  float* coarse = fine + n.rows() * n.plain_row();
  layers<Cell> next(net);
  over_rows(n, [&](index_t begin, index_t end) { first_rows<Cell>(net, n, r, a, begin, end); });
  next.convolve(n, a, nullptr, fine, b);
  next.pairs(n, (net.fine - 2) / 2, fine, b, a);
  next.convolve(n, b, nullptr, fine, nullptr);
  over_rows(half, [&](index_t begin, index_t end) { pool_rows<Cell>(fine, n, coarse, a, begin, end); });
  next.pairs(half, net.coarse / 2, coarse, a, b);
  over_rows(n, [&](index_t begin, index_t end) { raise_rows<Cell>(coarse, fine, n, a, begin, end); });
  next.pairs(n, net.up / 2, fine, a, b, d);
}

}  // namespace

index_t direction_net_work_size(const index_t* n) {
  const box fine(n), coarse = fine.halved();
  return 2 * fine.rows() * fine.tiled_row() + fine.rows() * fine.plain_row() +
         coarse.rows() * coarse.plain_row();
}

void direction_net_pack(const float* kernels, float* packed, index_t n_convolutions) {
  constexpr index_t size = channels * channels;
  const double points[5] = {0, std::sqrt(0.5), -std::sqrt(0.5), std::sqrt(2.0), -std::sqrt(2.0)};
  const double scales[5] = {1, -1.5, -1.5, 6, 6};
  for (index_t layer = 0; layer < n_convolutions; ++layer)
    for (index_t xy = 0; xy < 9; ++xy)
      for (index_t k = 0; k < size; ++k) {
        const float* w = kernels + (layer * 27 + xy * 3) * size + k;
        float* out = packed + (layer * n_points * 9 + xy) * size + k;
        for (index_t p = 0; p < 5; ++p)
          out[p * 9 * size] =
              float((w[0] + points[p] * (w[size] + points[p] * double(w[2 * size]))) / scales[p]);
        out[5 * 9 * size] = w[2 * size];
      }
}

void direction_net_apply(const direction_net& net, const index_t* n, const float* r, float* d, float* work) {
  if (!net.packed) throw std::invalid_argument("packed must be an array, not None, on the host");
  (prefers_halves() ? apply<narrow_cell> : apply<wide_cell>)(net, n, r, d, work);
}

}  // namespace pysolve::cpu
