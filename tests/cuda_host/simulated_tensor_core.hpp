// What csrc/tensor_core.hpp asks of a place, as plain loops on the host. A tile is where its rows are: they do not
// change between two syncs, so no lane has to wait for another.
#pragma once
#include "simulated.hpp"
#include "tensor_core.hpp"

namespace simulated {

using pysolve::cuda::chunk;
using pysolve::cuda::sum_tile;

struct bf16_tile {
  const chunk* rows;
  int first, part;
  void row(int m, float* values) const {
    for (int k = 0; k < pysolve::cuda::tile_size; k += 2) {
      const chunk& c = rows[pysolve::cuda::chunk_at(first + m, 2 * part + k / 8)];
      values[k] = pysolve::cuda::first_of(c.word[k % 8 / 2]);
      values[k + 1] = pysolve::cuda::second_of(c.word[k % 8 / 2]);
    }
  }
};

// To nearest, ties to even; a number that is not finite stays one.
inline std::uint32_t bf16_bits(float a) {
  std::uint32_t bits;
  std::memcpy(&bits, &a, sizeof bits);
  if (a != a) return (bits >> 16) | 0x40u;
  return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}
inline std::uint32_t bf16_pair(const place&, float a, float b) { return bf16_bits(a) | bf16_bits(b) << 16; }

inline bf16_tile load_tile(const place&, const chunk* rows, int first, int part) {
  return {rows, first, part};
}

// A lane has two rows and four columns of the sums.
inline void multiply_add(const place& at, sum_tile& s, const bf16_tile& x, const bf16_tile& w) {
  using namespace pysolve::cuda;
  const int lane = at.thread() % warp_threads;
  float rows[2][tile_size], columns[4][tile_size];
  for (int e = 0; e < 4; e += 2) x.row(tile_row(lane, e), rows[e / 2]);
  for (int e : {0, 1, 4, 5}) w.row(tile_column(lane, e), columns[e % 4 + e / 4 * 2]);
  for (int e = 0; e < 8; ++e) {
    const float *a = rows[e / 2 % 2], *b = columns[e % 2 + e / 4 * 2];
    float sum = 0;
    for (int k = 0; k < tile_size; ++k) sum += a[k] * b[k];
    s.value[e] += sum;
  }
}

}  // namespace simulated
