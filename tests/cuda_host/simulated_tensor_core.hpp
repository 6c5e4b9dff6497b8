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
  float operator()(int row, int k) const {
    const chunk& c = rows[pysolve::cuda::chunk_at(first + row, 2 * part + k / 8)];
    const std::uint32_t word = c.word[k % 8 / 2];
    return k % 2 ? pysolve::cuda::second_of(word) : pysolve::cuda::first_of(word);
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

inline std::vector<chunk> shared_memory;
inline chunk* shared_chunks(const place&) { return shared_memory.data(); }

inline bf16_tile load_tile(const place&, const chunk* rows, int first, int part) {
  return {rows, first, part};
}

inline void multiply_add(const place& at, sum_tile& s, const bf16_tile& x, const bf16_tile& w) {
  const int lane = at.thread() % pysolve::cuda::warp_threads;
  for (int e = 0; e < 8; ++e) {
    const int m = pysolve::cuda::tile_row(lane, e), n = pysolve::cuda::tile_column(lane, e);
    float sum = 0;
    for (int k = 0; k < pysolve::cuda::tile_size; ++k) sum += x(m, k) * w(n, k);
    s.value[e] += sum;
  }
}

// What was not written holds numbers that are not finite.
template <class Body>
void run_shared(queue& q, const char*, const Body& body) {
  const chunk nan{{~0u, ~0u, ~0u, ~0u}};
  shared_memory.assign(Body::shared_bytes / sizeof(chunk), nan);
  q.run(body);
}

}  // namespace simulated
