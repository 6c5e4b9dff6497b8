// A warp that walks entries of a row, with the row's vectors spread over its lanes, in registers.
//
// A row of V has ld values; each lane loads four neighbours of them (16 or 32 bytes), so that a row is read by G lanes,
// 4 G >= ld, in whole sectors of 32 bytes, and the 32 / G groups of a warp read as many rows at once. Up to ld = 512 a
// lane keeps its components of the row's vectors in registers, 4 P of them (team narrow<P>); beyond, they stand in
// memory (team wide), and rows of V are read twice.
//   Limit: the gathers, N ld sizeof bytes a pass, from L2 where V is there and from memory else. A lane has four entries
// under way (P = 1), 16 or 32 bytes each: with the 105 to 117 registers of a half step on sm_90, 16 warps of a
// multiprocessor have 32 to 64 KB under way, where 4.8 TB/s at 700 ns ask for 25. Products are summed over a group by
// log2 G shuffles an entry, a quarter of the time that L2 needs for its bytes.
#pragma once
#include <cmath>
#include <cstring>

#include "device_body.hpp"
#include "matrix_completion.hpp"

#if defined(__CUDA_ARCH__)
#define PYSOLVE_UNROLL _Pragma("unroll")
#define PYSOLVE_UNROLL_SLOTS _Pragma("unroll Team::unrolled")
#else
#define PYSOLVE_UNROLL
#define PYSOLVE_UNROLL_SLOTS
#endif

namespace pysolve::PYSOLVE_BACKEND {

template <class S>
struct alignas(16) packet {
  S x[16 / sizeof(S)];
};

// Four values from where 16-byte loads are allowed.
template <class S, class T>
PYSOLVE_BODY void load_four(const T* from, S* to) {
  constexpr int n = 16 / sizeof(T);
  PYSOLVE_UNROLL
  for (int i = 0; i < 4; i += n) {
    const packet<T> here = *reinterpret_cast<const packet<T>*>(from + i);
    PYSOLVE_UNROLL
    for (int j = 0; j < n; ++j) to[i + j] = S(here.x[j]);
  }
}

// What rows return: a sum, and the first row that does not fit.
struct completion_share {
  double squares = 0;
  index_t fault = completion_share::none();
  static constexpr PYSOLVE_BODY index_t none() { return index_t(1) << 62; }
  PYSOLVE_BODY completion_share& operator+=(const completion_share& o) {
    squares += o.squares;
    fault = fault < o.fault ? fault : o.fault;
    return *this;
  }
};
inline completion_sums sums_of(const completion_share& s) {
  return {s.squares, s.fault == completion_share::none() ? -1 : s.fault};
}

template <class S, int n>
struct several {
  S x[n];
  PYSOLVE_BODY several& operator+=(const several& o) {
    PYSOLVE_UNROLL
    for (int i = 0; i < n; ++i) x[i] += o.x[i];
    return *this;
  }
};

// Sum of v over the lanes whose numbers differ from this one's in the bits from `low` to below `high`; the same bits in
// all of them, as they add in pairs.
template <class S, class Place>
PYSOLVE_AT_PLACE S across(const Place& at, S v, int low, int high) {
  for (int bit = low; bit < high; bit *= 2) v += at.shuffle(v, (at.thread() % warp_threads) ^ bit);
  return v;
}

template <class T>
PYSOLVE_BODY bool has_entries(const observed<T>& A, index_t i) {
  return A.begin[i] >= 0 && A.end[i] >= A.begin[i] && A.end[i] <= A.n_entries;
}

// f(i) for the rows of this warp: 0 <= i < n, all lanes of the warp with the same i.
template <class Place, class F>
PYSOLVE_AT_PLACE void over_warps(const Place& at, index_t n, F f) {
  const index_t per_block = at.block_threads() / warp_threads;
  for (index_t i = at.block() * per_block + at.thread() / warp_threads; i < n; i += at.n_blocks() * per_block)
    f(i);
}
// Warps of blocks whose row's vectors stand in memory are fewer: it is asked for in every call.
template <class Team>
PYSOLVE_BODY index_t blocks_of_warps(index_t n) {
  const index_t blocks = blocks_for(n, block_threads / warp_threads);
  return blocks < Team::most_blocks ? blocks : Team::most_blocks;
}
template <class Team>
index_t memory_of_warps(index_t n, index_t ld) {
  return blocks_of_warps<Team>(n) * (block_threads / warp_threads) * Team::memory(ld);
}

// ---- a row's vectors in registers, ld <= 128 P ----------------------------------------------------------------------

template <int P>
struct narrow {
  template <class S>
  struct vector {
    S x[4 * P];
    PYSOLVE_BODY S& operator[](int i) { return x[i]; }
    PYSOLVE_BODY const S& operator[](int i) const { return x[i]; }
  };
  static constexpr index_t most_blocks = max_blocks;
  static constexpr int unrolled = 4 * P;  // of a loop over slots, which must be for registers
  static constexpr int at_once = P == 1 ? 4 : P == 2 ? 2 : 1;  // entries of a group that are under way

  index_t ld;
  int lane, G;
  template <class Place>
  PYSOLVE_BODY narrow(const Place& at, index_t stride, double*)
      : ld(stride), lane(at.thread() % warp_threads), G(2) {
    while (G < warp_threads && 4 * G < ld) G *= 2;
  }
  static PYSOLVE_BODY constexpr index_t memory(index_t) { return 0; }  // doubles of a warp
  static PYSOLVE_BODY constexpr int slots() { return 4 * P; }
  PYSOLVE_BODY index_t component(int i) const { return ((i / 4) * G + lane % G) * 4 + i % 4; }
  PYSOLVE_BODY bool holds(int i) const { return component(i) < ld; }
  PYSOLVE_BODY bool writes() const { return lane < G; }       // or another group would write the same
  PYSOLVE_BODY bool counts() const { return lane % G == 0; }  // of the lanes that weighed an entry
  PYSOLVE_BODY int owners() const { return G; }               // lanes that component(i) is spread over
  template <class S>
  PYSOLVE_BODY vector<S> make(int) const {
    return {};
  }
  template <class S, class Place>
  PYSOLVE_AT_PLACE S over_components(const Place& at, S v) const {
    return across(at, v, 1, G);
  }
  template <class S, class Place>
  PYSOLVE_AT_PLACE S over_entries(const Place& at, S v) const {
    return across(at, v, G, warp_threads);
  }

  // s = sum over entries [begin, end) of q_e v_e (where `whole`), q_e = weigh(what weigh.fetch(e) gave, v_e.x + z_e.y), v_e
  // and z_e the rows of V and Z that the entry names (`both`; else the first alone). Returns whether all are there.
  template <bool both, class S, class T, class Place, class Weigh>
  PYSOLVE_AT_PLACE bool pass(const Place& at, const T* V, const vector<S>& x, const T* Z, const vector<S>& y,
                             const std::int32_t* indices, index_t begin, index_t end, index_t n_cols,
                             Weigh& weigh, bool whole, vector<S>& s) const {
    const int groups = warp_threads / G, group = lane / G;
    bool good = true;
    PYSOLVE_UNROLL
    for (int i = 0; i < 4 * P; ++i) s[i] = S();
    for (index_t first = begin; first < end; first += groups * at_once) {
      vector<S> v[at_once];
      several<S, at_once> dots;
      bool there[at_once];
      typename Weigh::kept kept[at_once] = {};
      PYSOLVE_UNROLL
      for (int b = 0; b < at_once; ++b) {
        const index_t e = first + b * groups + group;
        const index_t j = e < end ? indices[e] : -1;
        there[b] = j >= 0 && j < n_cols;
        good &= there[b] || e >= end;
        if (there[b]) kept[b] = weigh.fetch(e);
        dots.x[b] = row_product(V + j * ld, there[b], x, v[b]);
        if constexpr (both) {
          vector<S> z;
          dots.x[b] += row_product(Z + j * ld, there[b], y, z);
        }
      }
      dots = over_components(at, dots);
      PYSOLVE_UNROLL
      for (int b = 0; b < at_once; ++b) {
        const S q = there[b] ? weigh(kept[b], first + b * groups + group, dots.x[b]) : S();
        if (!whole) continue;
        PYSOLVE_UNROLL
        for (int i = 0; i < 4 * P; ++i) s[i] += q * v[b][i];
      }
    }
    if (whole) {
      several<S, 4 * P> all;
      PYSOLVE_UNROLL
      for (int i = 0; i < 4 * P; ++i) all.x[i] = s[i];
      all = over_entries(at, all);
      PYSOLVE_UNROLL
      for (int i = 0; i < 4 * P; ++i) s[i] = all.x[i];
    }
    return across(at, int(!good), 1, warp_threads) == 0;
  }

  template <class S, class T>
  PYSOLVE_BODY S row_product(const T* row, bool there, const vector<S>& x, vector<S>& v) const {
    S dot = S();
    PYSOLVE_UNROLL
    for (int i = 0; i < 4 * P; i += 4) {
      if (there && holds(i))
        load_four(row + component(i), v.x + i);
      else
        v[i] = v[i + 1] = v[i + 2] = v[i + 3] = S();
      PYSOLVE_UNROLL
      for (int c = 0; c < 4; ++c) dot += v[i + c] * x[i + c];
    }
    return dot;
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
