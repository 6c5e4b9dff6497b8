// One mode of a Kronecker product with a factor of any size: the CUDA kernel for factors beyond those of kron_fused_body.
//
// y_iq = sum_k A_ik x_kq with the columns q = (l, r) of x seen as (left, n, right): left right columns, at the place
// l n right + r. A block makes a tile of 32 R by 32 C, R C = 8 warps, R = 4 where A has the rows for it; A and x come
// through three stages of 16 values of k in shared memory, fetched two stages ahead (cp.async), where x is read along its
// lines: along r, or along k where right is 1. 16 bytes at a time where the lines allow it; else single values, of which a
// warp still reads whole lines.
//
// Bytes: (n + m) left right sizeof(T) and the factor, once for each tile row of 32 R, which are neighbours in the launch and
// find x in L2. Flops: 2 m n left right. Limit: flops, from n = 32 on, those of the tensor cores in double (67 TFLOP/s on an
// H200 by the datasheet); a stage of a 128 x 64 tile is 262144 flops a block for 24 KB. cuBLAS does this as fast or faster
// for n > 160, where pysolve calls it through CuPy (pysolve/_kron_products.py).
#pragma once
#include "kron.hpp"
#include "kron_copy.hpp"
#include "kron_warp.hpp"

namespace pysolve::PYSOLVE_BACKEND {

constexpr int kron_chunk = 16, kron_stages = 3;
constexpr int kron_warps = block_threads / warp_threads;

template <class T>
struct kron_mode_body {
  static constexpr int blocks_at_once = 2;
  kron_factor<T> A;
  index_t left, right;
  const T* x;
  T* y;
  int row_warps;  // 1, 2 or 4
  bool A_by_vectors, x_by_vectors;
  bool by_pairs;

  PYSOLVE_BODY index_t n_blocks() const {
    const index_t tiles = tiles_of(A.m, 32 * row_warps) * tiles_of(left * right, kron_warps / row_warps * 32);
    return tiles < max_blocks ? tiles : max_blocks;
  }
  index_t shared_bytes() const {
    return kron_stages * stage_values(32 * row_warps, kron_warps / row_warps * 32) * index_t(sizeof(T));
  }

  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    T* const memory = at.template dynamic_shared<T>();
    const block_tile tile(*this, at);
    const index_t down = tiles_of(A.m, tile.rows), n_tiles = down * tiles_of(left * right, tile.columns);
    for (index_t number = at.block(); number < n_tiles; number += at.n_blocks())
      make(at, tile, number % down * tile.rows, number / down * tile.columns, memory);
  }

 private:
  static constexpr int A_pitch = kron_pitch(kron_chunk);
  static constexpr int V = kron_vector<T>::size;

  PYSOLVE_BODY static index_t tiles_of(index_t size, int tile) { return (size + tile - 1) / tile; }
  PYSOLVE_BODY bool along_k() const { return right == 1; }
  PYSOLVE_BODY int stage_values(int rows, int columns) const {
    return rows * A_pitch + (along_k() ? columns * A_pitch : kron_chunk * kron_pitch(columns));
  }

  // The tile that the warps of a block make together.
  struct block_tile {
    int rows, columns, stage, row, column;  // row, column: of this thread's warp
    template <class Place>
    PYSOLVE_AT_PLACE block_tile(const kron_mode_body& body, const Place& at) {
      const int warps = at.block_threads() / warp_threads, warp = at.thread() / warp_threads;
      const int down = body.row_warps < warps ? body.row_warps : warps;
      rows = 32 * down, columns = warps / down * 32;
      stage = body.stage_values(rows, columns);
      row = warp % down * 32, column = warp / down * 32;
    }
  };

  template <class Place>
  PYSOLVE_AT_PLACE void make(const Place& at, const block_tile& tile, index_t i0, index_t q0, T* memory) const {
    const index_t chunks = tiles_of(A.n, kron_chunk);
    const int lane = at.thread() % warp_threads, stride = along_k() ? 1 : kron_pitch(tile.columns);
    kron_copies<T> copies;
    kron_warp_tile<T, 2> sums;
    kron_columns<T> columns{memory, {}, stride, kron_chunk};
    for (index_t c = 0; c < kron_stages - 1; ++c) fetch(at, tile, i0, q0, c, chunks, copies, memory);
    for (index_t c = 0; c < chunks; ++c) {
      copies.template wait<kron_stages - 2>();
      at.sync();
      fetch(at, tile, i0, q0, c + kron_stages - 1, chunks, copies, memory);
      const int begin = int(c % kron_stages) * tile.stage;
      PYSOLVE_UNROLL
      for (int j = 0; j < 4; ++j) {
        const int q = tile.column + sums.column(lane, j);
        columns.begin[j] = begin + tile.rows * A_pitch + (along_k() ? q * A_pitch : q);
      }
      sums.multiply(at, memory + begin + tile.row * A_pitch, A_pitch, columns);
    }
    const index_t down = A.m - i0 - tile.row, across = left * right - q0 - tile.column;
    sums.store(lane, int(down < 32 ? down : 32), int(across < 32 ? across : 32), right, by_pairs, [&](int c) {
      const index_t q = q0 + tile.column + c, l = q / right;
      return y + l * A.m * right + q - l * right + (i0 + tile.row) * right;
    });
    copies.template wait<0>();
    at.sync();  // the stages are free for the next tile
  }

  // Chunk c of A and x into its stage; nothing, but a batch of its own, beyond the last.
  template <class Place>
  PYSOLVE_AT_PLACE void fetch(const Place& at, const block_tile& tile, index_t i0, index_t q0, index_t c,
                              index_t chunks, kron_copies<T>& copies, T* memory) const {
    T *const A_to = memory + c % kron_stages * tile.stage, *const x_to = A_to + tile.rows * A_pitch;
    if (c < chunks) {
      if (A_by_vectors)
        fetch_A<V>(at, tile, i0, c * kron_chunk, copies, A_to);
      else
        fetch_A<1>(at, tile, i0, c * kron_chunk, copies, A_to);
      if (x_by_vectors)
        fetch_x<V>(at, tile, q0, c * kron_chunk, copies, x_to);
      else
        fetch_x<1>(at, tile, q0, c * kron_chunk, copies, x_to);
    }
    copies.commit();
  }

  // Neighbouring threads at neighbours in memory: along k, or along i where A is stored by columns.
  template <int W, class Place>
  PYSOLVE_AT_PLACE void fetch_A(const Place& at, const block_tile& tile, index_t i0, index_t k0,
                                kron_copies<T>& copies, T* to) const {
    const bool by_rows = W > 1 || A.column == 1 || A.row != 1;
    for (int e = at.thread(); e < tile.rows * kron_chunk / W; e += at.block_threads()) {
      const int i = by_rows ? e / (kron_chunk / W) : e % tile.rows;
      const int k = by_rows ? e % (kron_chunk / W) * W : e / tile.rows;
      const bool there = i0 + i < A.m && k0 + k < A.n;
      copies.template copy<W>(to + i * A_pitch + k,
                              there ? A.data + (i0 + i) * A.row + (k0 + k) * A.column : A.data, there);
    }
  }

  template <int W, class Place>
  PYSOLVE_AT_PLACE void fetch_x(const Place& at, const block_tile& tile, index_t q0, index_t k0,
                                kron_copies<T>& copies, T* to) const {
    if (along_k()) {
      for (int e = at.thread(); e < tile.columns * kron_chunk / W; e += at.block_threads()) {
        const int q = e / (kron_chunk / W), k = e % (kron_chunk / W) * W;
        const bool there = q0 + q < left && k0 + k < A.n;
        copies.template copy<W>(to + q * A_pitch + k, there ? x + (q0 + q) * A.n + k0 + k : x, there);
      }
      return;
    }
    // A thread stays at its column, whose place is found once.
    const int across = tile.columns / W, q = at.thread() % across * W, pitch = kron_pitch(tile.columns);
    const index_t l = (q0 + q) / right;
    const T* const column = x + l * A.n * right + q0 + q - l * right;
    for (int k = at.thread() / across; k < kron_chunk; k += at.block_threads() / across) {
      const bool there = q0 + q < left * right && k0 + k < A.n;
      copies.template copy<W>(to + k * pitch + q, there ? column + (k0 + k) * right : x, there);
    }
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
