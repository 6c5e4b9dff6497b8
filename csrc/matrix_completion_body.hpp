// What the bodies of the CUDA kernels of matrix_completion share: the teams, warps that walk entries of a row, with the
// row's vectors in registers (narrow, in matrix_completion_lanes.hpp) or in memory (wide).
#pragma once
#include "matrix_completion_lanes.hpp"

namespace pysolve::PYSOLVE_BACKEND {

struct wide {
  static constexpr index_t most_blocks = 256;
  static constexpr int unrolled = 1;
  static constexpr int most_vectors = 8;
  template <class S>
  struct vector {
    S* values;
    PYSOLVE_BODY S& operator[](int i) const { return values[(i / 4) * 4 * warp_threads + i % 4]; }
  };

  index_t ld;
  int lane;
  double* mine;  // most_vectors vectors, the lanes' quads side by side
  template <class Place>
  PYSOLVE_BODY wide(const Place& at, index_t stride, double* memory_of_all)
      : ld(stride), lane(at.thread() % warp_threads) {
    const index_t warp = at.block() * (at.block_threads() / warp_threads) + at.thread() / warp_threads;
    mine = memory_of_all + warp * memory(ld);
  }
  static PYSOLVE_BODY constexpr index_t padded(index_t ld) { return (ld + 127) / 128 * 128; }
  static PYSOLVE_BODY constexpr index_t memory(index_t ld) { return most_vectors * padded(ld); }
  PYSOLVE_BODY int slots() const { return int(padded(ld) / warp_threads); }
  PYSOLVE_BODY index_t component(int i) const { return ((i / 4) * warp_threads + lane) * 4 + i % 4; }
  PYSOLVE_BODY bool holds(int i) const { return component(i) < ld; }
  PYSOLVE_BODY bool writes() const { return true; }
  PYSOLVE_BODY bool counts() const { return true; }
  PYSOLVE_BODY int owners() const { return warp_threads; }
  template <class S>
  PYSOLVE_BODY vector<S> make(int number) const {
    return {reinterpret_cast<S*>(mine + number * padded(ld)) + lane * 4};
  }
  template <class S, class Place>
  PYSOLVE_AT_PLACE S over_components(const Place& at, S v) const {
    return across(at, v, 1, warp_threads);
  }
  template <class S, class Place>
  PYSOLVE_AT_PLACE S over_entries(const Place& at, S v) const {
    return across(at, v, 1, warp_threads);
  }

  // The same, 32 entries at a time: first their products, lane b keeping that of entry b, then their sum.
  template <bool both, class S, class T, class Place, class Weigh>
  PYSOLVE_AT_PLACE bool pass(const Place& at, const T* V, const vector<S>& x, const T* Z, const vector<S>& y,
                             const std::int32_t* indices, index_t begin, index_t end, index_t n_cols,
                             Weigh& weigh, bool whole, vector<S>& s) const {
    bool good = true;
    for (int i = 0; whole && i < slots(); ++i) s[i] = S();
    for (index_t first = begin; first < end; first += warp_threads) {
      const int count = int(end - first < warp_threads ? end - first : warp_threads);
      index_t j = lane < count ? index_t(indices[first + lane]) : -1;
      const bool there = j >= 0 && j < n_cols;
      good &= there || lane >= count;
      if (!there) j = -1;
      S q = S();
      for (int b = 0; b < count; ++b) {
        const index_t from = at.shuffle(j, b);
        S dot = from < 0 ? S() : row_product(V + from * ld, x);
        if (both && from >= 0) dot += row_product(Z + from * ld, y);
        dot = over_components(at, dot);
        if (lane == b && there) q = weigh(weigh.fetch(first + b), first + b, dot);
      }
      for (int i = 0; whole && i < slots(); i += 4) {
        S sum[4] = {s[i], s[i + 1], s[i + 2], s[i + 3]}, v[4];
        for (int b = 0; b < count; ++b) {
          const index_t from = at.shuffle(j, b);
          const S factor = at.shuffle(q, b);
          if (from < 0 || !holds(i)) continue;
          load_four(V + from * ld + component(i), v);
          for (int c = 0; c < 4; ++c) sum[c] += factor * v[c];
        }
        for (int c = 0; c < 4; ++c) s[i + c] = sum[c];
      }
    }
    return across(at, int(!good), 1, warp_threads) == 0;
  }

  template <class S, class T>
  PYSOLVE_BODY S row_product(const T* row, const vector<S>& x) const {
    S dot = S(), v[4];
    for (int i = 0; i < slots() && holds(i); i += 4) {
      load_four(row + component(i), v);
      for (int c = 0; c < 4; ++c) dot += v[c] * x[i + c];
    }
    return dot;
  }
};

template <class F>
auto with_team(index_t ld, F&& f) {
  if (ld <= 128) return f.template operator()<narrow<1>>();
  if (ld <= 256) return f.template operator()<narrow<2>>();
  if (ld <= 512) return f.template operator()<narrow<4>>();
  return f.template operator()<wide>();
}

// x = the row's components of a vector in memory (null: 0), zeros where a lane has none.
template <class S, class Team>
PYSOLVE_BODY void load_vector(const Team& team, const S* from, typename Team::template vector<S>& x) {
  PYSOLVE_UNROLL_SLOTS
  for (int i = 0; i < team.slots(); ++i) x[i] = from && team.holds(i) ? from[team.component(i)] : S();
}
template <class S, class Team>
PYSOLVE_BODY void store_vector(const Team& team, const typename Team::template vector<S>& x, S* to) {
  if (!team.writes()) return;
  PYSOLVE_UNROLL_SLOTS
  for (int i = 0; i < team.slots(); ++i)
    if (team.holds(i)) to[team.component(i)] = x[i];
}

}  // namespace pysolve::PYSOLVE_BACKEND
