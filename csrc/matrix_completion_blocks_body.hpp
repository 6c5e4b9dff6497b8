// Bodies of the k x k matrices of the rows: H_i = V_i^T W V_i + damping, its inverse and its product with a vector; and
// non-negative rows, which take steps with it.
#pragma once
#include "matrix_completion_factor_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// H of rows first .. first + count - 1, k x ld values each; a thread has a tile of a row, and walks all its entries. The
// threads of a row read the same rows of V, at most 8 values for 16 multiplications, from L1.
//   bytes: N (4 + ld sizeof T) from memory or L2; flops: N k^2
template <class T>
struct accumulate_body {
  using result = completion_share;
  static constexpr int blocks_at_once = 1;
  observed<T> A;
  const T* V;
  index_t k, ld, first, count;
  double damping;
  T* H;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(count * lower_tile::count(ld), block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE completion_share operator()(const Place& at) const {
    const index_t tiles = lower_tile::count(ld);
    completion_share share;
    over_elements(at, count * tiles, [&](index_t number) {
      const lower_tile tile(number % tiles);
      const index_t row = number / tiles, i = first + row;
      T sum[4][4] = {}, a[4], c[4];
      bool good = has_entries(A, i);
      for (index_t e = good ? A.begin[i] : 0; good && e < A.end[i]; ++e) {
        const index_t j = A.indices[e];
        good = j >= 0 && j < A.n_cols;
        if (!good) break;
        load_four(V + j * ld + 4 * tile.a, a);
        load_four(V + j * ld + 4 * tile.c, c);
        add_tile(a, c, A.weights ? A.weights[e] : T(1), sum);
      }
      if (!good && tile.a == 0) share += {0, i};
      if (good) write(H + row * k * ld, tile, sum);
    });
    return share;
  }
  PYSOLVE_BODY void write(T* block, const lower_tile& tile, const T (&sum)[4][4]) const {
    for (int x = 0; x < 4; ++x)
      for (int y = 0; y < 4; ++y) {
        const index_t a = 4 * tile.a + x, c = 4 * tile.c + y;
        const T here = sum[x][y] + (a == c && a < k ? T(damping) : T());
        if (a < k) block[a * ld + c] = here;
        if (c < k && a != c) block[c * ld + a] = here;
      }
  }
};

// Gauss-Jordan elimination without pivots by the threads of a block, in place; false where a pivot is not above
// `least` times what stood there at first. `work`: 3 ld values of the block. flops: 2 k^3; k pairs of barriers
template <class T, class Place>
PYSOLVE_AT_PLACE bool invert_block(const Place& at, T* H, index_t k, index_t ld, double least, T* work) {
  T *const column = work, *const row = work + ld, *const diagonal = work + 2 * ld;
  const int n_threads = at.block_threads();
  at.sync();  // H is written, and what used the memory before is done
  for (index_t a = at.thread(); a < k; a += n_threads) diagonal[a] = H[a * ld + a];
  for (index_t p = 0; p < k; ++p) {
    const T pivot = H[p * ld + p];
    if (p == 0) at.sync();
    if (!(double(pivot) > least * double(diagonal[p]))) return false;
    const T inverse = 1 / pivot;
    for (index_t c = at.thread(); c < k; c += n_threads) {
      row[c] = c == p ? inverse : inverse * H[p * ld + c];
      column[c] = H[c * ld + p];
    }
    at.sync();
    for (index_t e = at.thread(); e < k * k; e += n_threads) {
      const index_t a = e / k, c = e % k;
      const T before = c == p ? T() : H[a * ld + c];
      H[a * ld + c] = a == p ? row[c] : before - column[a] * row[c];
    }
    at.sync();
  }
  return true;
}

// True where it is in every thread of the block. `work`: a value for each.
template <class T, class Place>
PYSOLVE_AT_PLACE bool all_of_block(const Place& at, bool good, T* work) {
  at.sync();
  work[at.thread()] = T(good);
  at.sync();
  bool all = true;
  for (int t = 0; t < at.block_threads(); ++t) all = all && work[t] > 0;
  return all;
}

// H_i <- its inverse, a block for a row; zeros where it is not positive. bytes: 2 k ld sizeof T of memory, then from L1
template <class T>
struct invert_body {
  T* H;
  index_t n, k, ld;
  T* work;
  static PYSOLVE_BODY constexpr index_t most_blocks() { return 1024; }
  static PYSOLVE_BODY constexpr index_t memory(index_t ld) { return 3 * ld + block_threads; }
  PYSOLVE_BODY index_t n_blocks() const { return n < 1 ? 1 : n < most_blocks() ? n : most_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    T* const mine = work + at.block() * memory(ld);
    for (index_t i = at.block(); i < n; i += at.n_blocks()) {
      T* const block = H + i * k * ld;
      bool good = invert_block(at, block, k, ld, 0.0, mine);
      for (index_t e = at.thread(); good && e < k * ld; e += at.block_threads())
        good = is_finite(double(block[e]));
      if (all_of_block(at, good, mine + 3 * ld)) continue;
      for (index_t e = at.thread(); e < k * ld; e += at.block_threads()) block[e] = T();
    }
  }
};

// out_i = factor H_i x_i, four components a thread. bytes: n k ld sizeof T; flops: 2 n k^2
template <class T>
struct apply_body {
  const T *H, *X;
  index_t n, k, ld;
  T factor;
  T* out;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n * (ld / 4), block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, n * (ld / 4), [&](index_t number) {
      const index_t i = number / (ld / 4), c = number % (ld / 4) * 4;
      T sum[4] = {}, h[4];
      for (index_t a = 0; a < k; ++a) {
        load_four(H + (i * k + a) * ld + c, h);
        const T x = X[i * ld + a];
        PYSOLVE_UNROLL
        for (int y = 0; y < 4; ++y) sum[y] += x * h[y];
      }
      for (int y = 0; y < 4; ++y) out[i * ld + c + y] = factor * sum[y];
    });
  }
};

template <class T>
struct clipped_copy_body {
  const T* from;
  index_t n;
  T* to;
  bool positive;  // what is negative becomes 0
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, n, [&](index_t i) { to[i] = !positive || from[i] > 0 ? from[i] : T(); });
  }
};

// Sweeps of coordinate descent for rows first .. first + count - 1, from u >= 0, g = V_i^T W (y - V_i u) and
// H = V_i^T W V_i: each component takes the best value that is not negative, and g follows by a row of H.
//   bytes: k ld sizeof T a sweep and row, from L2; flops: 2 k^2 a sweep and row
template <class T, class Team>
struct descend_body {
  static constexpr int blocks_at_once = 1;
  observed<T> A;
  const T *H, *G;
  T* U;
  index_t k, ld, first, count;
  const double* reg;
  int n_sweeps;
  double* memory;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_of_warps<Team>(count); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const Team team(at, ld, memory);
    over_warps(at, count, [&](index_t row) {
      T* const u_out = U + (first + row) * ld;
      auto u = team.template make<T>(0), g = team.template make<T>(1);
      load_vector(team, u_out, u);
      load_vector(team, G + (first + row) * ld, g);
      for (int sweep = 0; sweep < n_sweeps; ++sweep) one_sweep(at, team, H + row * k * ld, u, g);
      store_vector(team, u, u_out);
    });
  }
  template <class Place, class Vector>
  PYSOLVE_AT_PLACE void one_sweep(const Place& at, const Team& team, const T* block, Vector& u,
                                  Vector& g) const {
    const int owners = team.owners();
    PYSOLVE_UNROLL_SLOTS
    for (int i = 0; i < team.slots(); i += 4)
      for (int owner = 0; owner < owners; ++owner) {
        const index_t c = ((i / 4) * owners + owner) * 4;
        PYSOLVE_UNROLL
        for (int x = 0; x < 4; ++x) {
          if (c + x >= k) continue;
          const T* const h = block + (c + x) * ld;
          const T more = reg ? T(reg[c + x]) : T(), curvature = h[c + x] + more;
          const T here = at.shuffle(u[i + x], owner), gradient = at.shuffle(g[i + x], owner) - more * here;
          const T wanted = here + gradient / curvature, best = wanted > 0 ? wanted : T();
          const T step = curvature > 0 && is_finite(double(wanted)) ? best - here : T();
          if (team.lane % owners == owner) u[i + x] += step;
          if (step == 0) continue;
          PYSOLVE_UNROLL_SLOTS
          for (int y = 0; y < team.slots(); ++y)
            if (team.holds(y)) g[y] -= step * h[team.component(y)];
        }
      }
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
