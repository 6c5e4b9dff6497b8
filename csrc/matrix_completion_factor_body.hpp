// Bodies of products of a factor with k x k matrices. A thread has a tile of 4 x 4 values, whose operands it reads four
// at a time: 32 (float: 16) values from L1 for 64 multiplications, so that arithmetic is the limit, not memory.
#pragma once
#include "matrix_completion_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// Tile number t of those on and below the diagonal, by rows.
struct lower_tile {
  index_t a = 0, c = 0;
  PYSOLVE_BODY explicit lower_tile(index_t t) {
    a = index_t((sqrt(8.0 * double(t) + 1) - 1) / 2);
    while (a * (a + 1) / 2 > t) --a;
    while ((a + 1) * (a + 2) / 2 <= t) ++a;
    c = t - a * (a + 1) / 2;
  }
  static PYSOLVE_BODY constexpr index_t count(index_t ld) { return (ld / 4) * (ld / 4 + 1) / 2; }
};

template <class S>
PYSOLVE_BODY void add_tile(const S* a, const S* c, S w, S (&sum)[4][4]) {
  PYSOLVE_UNROLL
  for (int x = 0; x < 4; ++x) {
    PYSOLVE_UNROLL
    for (int y = 0; y < 4; ++y) sum[x][y] += w * a[x] * c[y];
  }
}

// ---- G = V^T V -------------------------------------------------------------------------------------------------------

// The rows of V are in slabs; parts[slab][tile] is what a slab adds to a tile, 16 values.
//   bytes: n ld sizeof T from memory once, 2 / 3 sizeof T n ld^2 / 4 from the caches; flops: n k^2 in double
constexpr index_t most_slabs = 1024, most_slab_tiles = index_t(1) << 18;
PYSOLVE_BODY index_t slabs_of(index_t n, index_t ld) {
  index_t slabs = (n + 63) / 64;
  const index_t limit = most_slab_tiles / lower_tile::count(ld);
  if (slabs > most_slabs) slabs = most_slabs;
  if (slabs > limit) slabs = limit;
  return slabs < 1 ? 1 : slabs;
}

template <class T>
struct gram_slabs_body {
  const T* V;
  index_t n, ld;
  double* parts;
  PYSOLVE_BODY index_t n_blocks() const {
    return blocks_for(slabs_of(n, ld) * lower_tile::count(ld), block_threads);
  }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const index_t tiles = lower_tile::count(ld), slabs = slabs_of(n, ld);
    over_elements(at, slabs * tiles, [&](index_t number) {
      const lower_tile tile(number % tiles);
      const index_t slab = number / tiles;
      double sum[4][4] = {}, a[4], c[4];
      for (index_t i = n * slab / slabs; i < n * (slab + 1) / slabs; ++i) {
        load_four(V + i * ld + 4 * tile.a, a);
        load_four(V + i * ld + 4 * tile.c, c);
        add_tile(a, c, 1.0, sum);
      }
      for (int x = 0; x < 4; ++x)
        for (int y = 0; y < 4; ++y) parts[number * 16 + 4 * x + y] = sum[x][y];
    });
  }
};

struct gram_total_body {
  const double* parts;
  index_t n, ld, k;
  double* G;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(lower_tile::count(ld) * 16, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const index_t values = lower_tile::count(ld) * 16, slabs = slabs_of(n, ld);
    over_elements(at, values, [&](index_t number) {
      const lower_tile tile(number / 16);
      const index_t a = 4 * tile.a + number % 16 / 4, c = 4 * tile.c + number % 4;
      if (a >= k || c > a) return;
      double sum = 0;
      for (index_t slab = 0; slab < slabs; ++slab) sum += parts[slab * values + number];
      G[a * k + c] = G[c * k + a] = sum;
    });
  }
};

// ---- V <- V R --------------------------------------------------------------------------------------------------------

// R in T, ld x ld with zeros beyond k.
template <class T>
struct pad_body {
  const double* R;
  index_t k, ld;
  T* out;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(ld * ld, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, ld * ld, [&](index_t e) {
      const index_t a = e / ld, c = e % ld;
      out[e] = a < k && c < k ? T(R[a * k + c]) : T();
    });
  }
};

// out = V R for n rows. bytes: n ld sizeof T read and written once in memory; flops: 2 n k^2
template <class T>
struct times_body {
  const T *V, *R;
  index_t n, ld;
  T* out;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for((n + 3) / 4 * (ld / 4), block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const index_t columns = ld / 4;
    over_elements(at, (n + 3) / 4 * columns, [&](index_t number) {
      const index_t i = number / columns * 4, c = number % columns * 4;
      T sum[4][4] = {}, v[4], r[4][4];
      for (index_t a = 0; a < ld; a += 4) {
        PYSOLVE_UNROLL
        for (int x = 0; x < 4; ++x) load_four(R + (a + x) * ld + c, r[x]);
        PYSOLVE_UNROLL
        for (int x = 0; x < 4; ++x) {
          load_four(V + (i + x < n ? i + x : i) * ld + a, v);
          PYSOLVE_UNROLL
          for (int b = 0; b < 4; ++b) {
            PYSOLVE_UNROLL
            for (int y = 0; y < 4; ++y) sum[x][y] += v[b] * r[b][y];
          }
        }
      }
      for (int x = 0; x < 4 && i + x < n; ++x)
        for (int y = 0; y < 4; ++y) out[(i + x) * ld + c + y] = sum[x][y];
    });
  }
};

// to_i = from_i, scaled down to length `limit` if it is longer (limit <= 0: not); how many were.
template <class T>
struct clip_body {
  using result = index_t;
  static constexpr int blocks_at_once = 1;
  const T* from;
  index_t n, ld;
  double limit;
  T* to;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads / warp_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE index_t operator()(const Place& at) const {
    const int lane = at.thread() % warp_threads;
    index_t clipped = 0;
    over_warps(at, n, [&](index_t i) {
      double squares = 0;
      for (index_t c = lane; c < ld; c += warp_threads) squares += squared(from[i * ld + c]);
      const double length = sqrt(across(at, squares, 1, warp_threads));
      const bool clip = limit > 0 && length > limit;
      const T factor = clip ? T(limit / length) : T(1);
      clipped += clip && lane == 0;
      for (index_t c = lane; c < ld; c += warp_threads) to[i * ld + c] = factor * from[i * ld + c];
    });
    return clipped;
  }
};

template <class T>
struct narrow_body {
  const T* from;
  index_t n;
  float* to;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, n, [&](index_t i) { to[i] = float(from[i]); });
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
