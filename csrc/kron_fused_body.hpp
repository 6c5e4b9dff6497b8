// Several modes of a Kronecker product in one pass through memory: the CUDA kernel for factors of at most 64 rows and columns.
//
// x seen as (left, n_a, ..., n_b, right) becomes y, (left, m_a, ..., m_b, right), by the modes b, b - 1, ..., a. A block
// takes a slab of it, (group, n_a, ..., n_b, width), into shared memory, where all these modes are done one after the
// other, each from one buffer into the other and the last one into y; meanwhile the next slab of the block is fetched into
// the buffer that is free. The factors stay in shared memory for all of the block's slabs.
//
// Bytes: (N_in + N_out) sizeof(T) from global memory, with c modes in one pass instead of c times that; from shared memory
// three quarters of what it gives in the time of the flops (kron_warp.hpp). Flops: 2 n_j for each value that mode j makes.
// Limit, H200 (4.8 TB/s and 67 TFLOP/s of the tensor cores by the datasheet, 14 flops a byte), cubes of n^3 in double: n = 16
// does 96 flops for the 16 bytes of one pass; n = 32 and 64 take two passes, 32 bytes for 192 or 384 flops. All three are bound
// by memory; a chain of three products moves 48 bytes. One vector of 64^3 is 2 MB, which stays in L2: there the launches count,
// two instead of three.
// With many columns a slab of two modes holds few neighbouring ones (n = 32: four), and with n = 64 none: then each mode is
// a pass, as in the chain.
#pragma once
#include "kron.hpp"
#include "kron_copy.hpp"
#include "kron_warp.hpp"

namespace pysolve::PYSOLVE_BACKEND {

constexpr int kron_most_fused = 64;  // rows or columns of a factor
constexpr int kron_most_modes = 8;   // of a pass

// q / divisor for q, divisor < 2^16, without a division.
struct kron_divider {
  unsigned divisor = 1;
  std::uint64_t inverse = (std::uint64_t(1) << 32) + 1;
  kron_divider() = default;
  explicit kron_divider(index_t d) : divisor(unsigned(d)), inverse((std::uint64_t(1) << 32) / divisor + 1) {}
  PYSOLVE_BODY int quotient(int q) const { return int((unsigned(q) * inverse) >> 32); }
};

// One mode of a pass. Columns are (l, r) for the values before and after the mode in the slab; x value (l, k, r) is at
// l block + k stride + r of its buffer, and (l, i, r) of the result at l next + i after + r of the other.
template <class T>
struct kron_slab_mode {
  kron_factor<T> A;
  int panel, rows, pitch;  // where A is in shared memory, and its lines with those that fill the tiles
  int columns, block, stride, next;
  kron_divider after;
};

template <class T>
struct kron_fused_body {
  static constexpr int blocks_at_once = 2;
  const T* x;
  T* y;
  index_t left, right, ranges, n_slabs;
  int group, width;
  // Of a slab as it comes: lines of `span` neighbours, `pitch` apart in shared memory and `apart` in x.
  int lines, span, pitch;
  index_t apart, of_left;  // of_left: values of x for each of `left`
  bool by_vectors;         // whether x is read 16 bytes at a time, and y written so
  bool by_pairs;
  // Of y: value (l, i, r') of the last mode is at l y_block + i y_step + r' / width right + r' % width.
  index_t y_block, y_step;
  kron_divider across, span_vectors;
  int buffer[2];  // where they begin, in values
  index_t n_values;
  int n_modes;
  kron_slab_mode<T> modes[kron_most_modes];

  PYSOLVE_BODY index_t n_blocks() const { return n_slabs < max_blocks ? n_slabs : max_blocks; }
  index_t shared_bytes() const { return n_values * index_t(sizeof(T)); }

  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    T* const memory = at.template dynamic_shared<T>();
    kron_copies<T> copies;
    int in = buffer[0];
    for (int j = 0; j < n_modes; ++j) fetch_panel(at, copies, modes[j], memory + modes[j].panel);
    fetch(at, copies, at.block(), memory + in);
    for (index_t slab = at.block(); slab < n_slabs; slab += at.n_blocks()) {
      copies.template wait<0>();
      at.sync();
      int from = in;
      for (int j = 0; j + 1 < n_modes; ++j) {
        const kron_slab_mode<T>& mode = modes[j];
        const int to = other(from);
        multiply(at, mode, memory, from, int(mode.after.divisor), false,
                 [&](int l, int r) { return memory + (to + l * mode.next + r); });
        at.sync();
        from = other(from);
      }
      in = other(from);
      if (slab + at.n_blocks() < n_slabs) fetch(at, copies, slab + at.n_blocks(), memory + in);
      T* const to = y + first_of(slab) * y_block + first_value(slab);
      multiply(at, modes[n_modes - 1], memory, from, y_step, by_pairs, [&](int l, int r) {
        const int line = across.quotient(r);
        return to + l * y_block + line * right + (r - line * int(across.divisor));
      });
    }
  }

 private:
  PYSOLVE_BODY int other(int begin) const { return buffer[0] + buffer[1] - begin; }

  // The last slab is moved back to be whole, and makes some values again, to the same bits.
  PYSOLVE_BODY index_t first_of(index_t slab) const {
    const index_t l = slab / ranges * group;
    return l < left - group ? l : left - group;
  }
  PYSOLVE_BODY index_t first_value(index_t slab) const {
    const index_t r = slab % ranges * width;
    return r < right - width ? r : right - width;
  }

  template <class Place>
  PYSOLVE_AT_PLACE void fetch(const Place& at, kron_copies<T>& copies, index_t slab, T* to) const {
    const T* from = x + first_of(slab) * of_left + first_value(slab);
    if (by_vectors)
      fetch_by<kron_vector<T>::size>(at, copies, from, to);
    else
      fetch_by<1>(at, copies, from, to);
    copies.commit();
  }
  template <int V, class Place>
  PYSOLVE_AT_PLACE void fetch_by(const Place& at, kron_copies<T>& copies, const T* from, T* to) const {
    const int vectors = span / V;
    for (int e = at.thread(); e < lines * vectors; e += at.block_threads()) {
      const int line = span_vectors.quotient(e), value = (e - line * vectors) * V;
      copies.template copy<V>(to + line * pitch + value, from + line * apart + value, true);
    }
  }

  // A with zeros around it, a warp for each row; comes with the first slab.
  template <class Place>
  PYSOLVE_AT_PLACE void fetch_panel(const Place& at, kron_copies<T>& copies, const kron_slab_mode<T>& mode,
                                    T* to) const {
    const kron_factor<T>& A = mode.A;
    const int lane = at.thread() % warp_threads, warps = at.block_threads() / warp_threads;
    for (int i = at.thread() / warp_threads; i < mode.rows; i += warps)
      for (int k = lane; k < mode.pitch; k += warp_threads) {
        const bool there = i < A.m && k < A.n;
        copies.template copy<1>(to + i * mode.pitch + k, there ? A.data + i * A.row + k * A.column : A.data,
                                there);
      }
  }

  // By tiles of 16 rows: a slab has no more of them than there are warps, or not many.
  template <class Place, class Step, class PlaceOf>
  PYSOLVE_AT_PLACE void multiply(const Place& at, const kron_slab_mode<T>& mode, const T* memory, int from,
                                 Step step, bool pairs, PlaceOf place_of) const {
    using tile = kron_warp_tile<T, 1>;
    const int lane = at.thread() % warp_threads, warps = at.block_threads() / warp_threads;
    const int strips = mode.rows / tile::rows;
    const int n_tiles = (mode.columns + kron_tile_columns - 1) / kron_tile_columns * strips;
    for (int first = 0; first < n_tiles; first += warps) {
      const int number = first + at.thread() / warp_threads;
      if (!Place::in_step && number >= n_tiles) break;
      const int strip = number % strips, column = number / strips * kron_tile_columns;
      kron_columns<T> columns{memory + from, {}, mode.stride, int(mode.A.n)};
      PYSOLVE_UNROLL
      for (int c = 0; c < 4; ++c) {
        const int wanted = column + tile::column(lane, c);
        const int q = wanted < mode.columns ? wanted : mode.columns - 1, l = mode.after.quotient(q);
        columns.begin[c] = l * mode.block + q - l * int(mode.after.divisor);
      }
      tile sums;
      sums.multiply(at, memory + mode.panel + strip * tile::rows * mode.pitch, mode.pitch, columns);
      if (number >= n_tiles) continue;
      sums.store(lane, int(mode.A.m) - strip * tile::rows, mode.columns - column, step, pairs, [&](int c) {
        const int l = mode.after.quotient(column + c);
        return place_of(l, column + c - l * int(mode.after.divisor)) + strip * tile::rows * step;
      });
    }
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
