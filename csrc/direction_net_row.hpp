// One row of a convolution of direction_net on the CPU: products in the transformed domain, and what comes after.
//
// A row of cells is kept transformed as [6][tiles][16]: tile t has the six combinations of its cells 4 t - 1 ... 4 t +
// 4 that the four outputs 4 t ... 4 t + 3 need (see direction_net.hpp). The outputs of a tile are then
//   A^T (sum over rows and channels of combination x packed kernel).
#pragma once
#include "direction_net.hpp"
#include "simd.hpp"

namespace pysolve::cpu {

constexpr index_t channels = direction_net_channels;
constexpr index_t tile_cells = 4, n_points = 6;
constexpr index_t tile_block = 16;  // tiles of a row that are summed up at a time
constexpr float root_half = 0.70710678118654752f, root_two = 1.41421356237309505f;

// The channels of one cell: one vector of 16, or two of 8 for processors with registers of 8, on which GCC would take
// a vector of 16 through memory.
typedef float wide_cell __attribute__((vector_size(channels * sizeof(float))));

// Eight channels at any address. (GCC would take a copy of more than 16 bytes through the stack.)
typedef float half_cell
    __attribute__((vector_size(channels / 2 * sizeof(float)), aligned(sizeof(float)), may_alias));

struct narrow_cell {
  half_cell low, high;
  PYSOLVE_INLINE narrow_cell& operator+=(narrow_cell o) { return *this = {low + o.low, high + o.high}; }
};
PYSOLVE_INLINE narrow_cell operator+(narrow_cell a, narrow_cell b) {
  return {a.low + b.low, a.high + b.high};
}
PYSOLVE_INLINE narrow_cell operator-(narrow_cell a, narrow_cell b) {
  return {a.low - b.low, a.high - b.high};
}
PYSOLVE_INLINE narrow_cell operator*(narrow_cell a, narrow_cell b) {
  return {a.low * b.low, a.high * b.high};
}
PYSOLVE_INLINE narrow_cell operator*(narrow_cell a, float b) { return {a.low * b, a.high * b}; }
PYSOLVE_INLINE narrow_cell operator*(float a, narrow_cell b) { return b * a; }

template <class Cell>
PYSOLVE_INLINE Cell load_cell(const float* p) {
  if constexpr (std::is_same_v<Cell, wide_cell>) {
    Cell v;
    std::memcpy(&v, p, sizeof v);
    return v;
  } else {
    const half_cell* half = reinterpret_cast<const half_cell*>(p);
    return {half[0], half[1]};
  }
}
PYSOLVE_INLINE void store_cell(float* p, wide_cell v) { std::memcpy(p, &v, sizeof v); }
PYSOLVE_INLINE void store_cell(float* p, narrow_cell v) {
  half_cell* half = reinterpret_cast<half_cell*>(p);
  half[0] = v.low;
  half[1] = v.high;
}
PYSOLVE_INLINE wide_cell positive(wide_cell v) { return v > 0 ? v : wide_cell{}; }
PYSOLVE_INLINE narrow_cell positive(narrow_cell v) {
  const half_cell zero = {};
  return {v.low > 0 ? v.low : zero, v.high > 0 ? v.high : zero};
}

inline index_t n_tiles(index_t cells) { return (cells + tile_cells - 1) / tile_cells; }

// Takes the cells of a row one by one and writes them transformed; 0 stands beyond both ends.
template <class Cell>
class tile_writer {
  Cell window_[n_points] = {};
  index_t held_ = 1, tile_ = 0, tiles_;
  float* row_;

 public:
  PYSOLVE_INLINE tile_writer(float* row, index_t tiles) : tiles_(tiles), row_(row) {}

  PYSOLVE_INLINE void push(Cell v) {
    window_[held_++] = v;
    if (held_ == n_points) write_tile();
  }
  // After the last cell: zeros up to the end of the last tile.
  PYSOLVE_INLINE void finish() {
    while (tile_ < tiles_) push(Cell{});
  }

 private:
  PYSOLVE_INLINE void write_tile() {
    const Cell x0 = window_[0], x1 = window_[1], x2 = window_[2], x3 = window_[3], x4 = window_[4],
               x5 = window_[5];
    const Cell even1 = x4 - 2.0f * x2, odd1 = root_half * x3 - root_two * x1;
    const Cell even2 = x4 - 0.5f * x2, odd2 = root_two * x3 - root_half * x1;
    float* out = row_ + tile_ * channels;
    const index_t step = tiles_ * channels;
    store_cell(out, x0 - 2.5f * x2 + x4);
    store_cell(out + step, even1 + odd1);
    store_cell(out + 2 * step, even1 - odd1);
    store_cell(out + 3 * step, even2 + odd2);
    store_cell(out + 4 * step, even2 - odd2);
    store_cell(out + 5 * step, x1 - 2.5f * x3 + x5);
    window_[0] = x4;
    window_[1] = x5;
    held_ = 2;
    ++tile_;
  }
};

// The up to nine rows around a row, and the part of the kernel that each is multiplied with.
struct neighbours {
  const float* row[9];
  const float* kernel[9];
  int count = 0;

  PYSOLVE_INLINE neighbours(const float* cells, index_t row_size, const float* kernels, index_t kernel_size,
                            index_t n0, index_t n1, index_t i, index_t j) {
    for (index_t a = -1; a <= 1; ++a)
      for (index_t b = -1; b <= 1; ++b)
        if (i + a >= 0 && i + a < n0 && j + b >= 0 && j + b < n1) {
          row[count] = cells + ((i + a) * n1 + j + b) * row_size;
          kernel[count++] = kernels + ((a + 1) * 3 + b + 1) * kernel_size;
        }
  }
};

// sums[0 ... width) = for one point: sum over rows and channels of combination x kernel, for `width` tiles.
template <int width, class Cell>
PYSOLVE_INLINE void add_products(const neighbours& around, index_t row_offset, index_t kernel_offset,
                                 float* sums) {
  Cell sum[width] = {};
  for (int k = 0; k < around.count; ++k) {
    const float* x = around.row[k] + row_offset;
    const float* w = around.kernel[k] + kernel_offset;
    for (index_t c = 0; c < channels; ++c) {
      const Cell weights = load_cell<Cell>(w + c * channels);
#pragma GCC unroll 16
      for (int t = 0; t < width; ++t) sum[t] += weights * x[t * channels + c];
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < width; ++t) store_cell(sums + t * channels, sum[t]);
}

// The same for up to tile_block tiles from `tile` on, in all points: sums[point][tile_block][16].
template <class Cell>
PYSOLVE_INLINE void add_all_products(const neighbours& around, index_t tile, index_t count, index_t tiles,
                                     float* sums) {
  for (index_t point = 0; point < n_points; ++point) {
    const index_t w = point * 9 * channels * channels;
    index_t t = 0;
    const auto x = [&] { return (point * tiles + tile + t) * channels; };
    const auto out = [&] { return sums + (point * tile_block + t) * channels; };
    if constexpr (std::is_same_v<Cell, wide_cell>) {  // there are registers for 16 sums
      for (; t + 16 <= count; t += 16) add_products<16, Cell>(around, x(), w, out());
      for (; t + 8 <= count; t += 8) add_products<8, Cell>(around, x(), w, out());
    }
    for (; t + 4 <= count; t += 4) add_products<4, Cell>(around, x(), w, out());
    for (; t < count; ++t) add_products<1, Cell>(around, x(), w, out());
  }
}

// The four cells of a tile from its six sums, `sums` apart by tile_block cells.
template <class Cell>
PYSOLVE_INLINE void cells_of_tile(const float* sums, Cell* cell) {
  Cell m[n_points];
  for (index_t k = 0; k < n_points; ++k) m[k] = load_cell<Cell>(sums + k * tile_block * channels);
  const Cell s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];
  cell[0] = m[0] + (s1 + s2);
  cell[1] = root_half * d1 + root_two * d2;
  cell[2] = 0.5f * s1 + 2.0f * s2;
  cell[3] = (0.5f * root_half) * d1 + (2.0f * root_two) * d2 + m[5];
}

// Sum over the channels.
template <class Cell>
PYSOLVE_INLINE float channel_sum(Cell v) {
  float part[channels];
  std::memcpy(part, &v, sizeof v);
  for (index_t half = channels / 2; half > 0; half /= 2)
    for (index_t c = 0; c < half; ++c) part[c] += part[c + half];
  return part[0];
}

}  // namespace pysolve::cpu
