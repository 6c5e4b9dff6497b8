// The body of steps that are preconditioned by a sketch: a block for a chosen row, all in double. The random numbers are
// those of the CPU kernel, number n of a row at once, and so is the sketch; of its Gram matrix the inverse is kept, not
// the factor, so that a step has one product with it and no chain of k divisions.
//   bytes: N (4 + sizeof T (1 + ld)) from the caches a step; flops: N k (4 + 4 n_cg) + the sketch (2 N k; srht: 2 N k
// log2 d) + n_sketch k^2 + 2 k^3 a row. Few rows need it: the limit is a block's own speed.
#pragma once
#include "matrix_completion_blocks_body.hpp"
#include "matrix_completion_steps_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// Number n of the sequence that matrix_completion_sketch.cpp draws (splitmix64).
struct random_sequence {
  std::uint64_t state;
  PYSOLVE_BODY std::uint64_t number(index_t n) const {
    std::uint64_t z = state + (std::uint64_t(n) + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  PYSOLVE_BODY index_t below(index_t n, index_t limit) const {
    return index_t((unsigned __int128)(number(n)) * std::uint64_t(limit) >> 64);
  }
  PYSOLVE_BODY double sign(index_t n) const { return number(n) >> 63 ? 1.0 : -1.0; }
};

// The first chosen row that does not fit, and the entries of the longest that does.
struct chosen_report {
  index_t position = index_t(1) << 62, row = -1, longest = 0;
  PYSOLVE_BODY chosen_report& operator+=(const chosen_report& o) {
    if (o.position < position) position = o.position, row = o.row;
    longest = longest < o.longest ? o.longest : longest;
    return *this;
  }
};

template <class T>
struct check_chosen_body {
  using result = chosen_report;
  observed<T> A;
  const index_t* chosen;
  index_t n_chosen;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n_chosen, block_threads / warp_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE chosen_report operator()(const Place& at) const {
    chosen_report report;
    over_warps(at, n_chosen, [&](index_t c) {
      const index_t i = chosen[c];
      bool good = i >= 0 && i < A.n_rows && (c == 0 || chosen[c - 1] < i) && has_entries(A, i);
      const index_t begin = good ? A.begin[i] : 0, end = good ? A.end[i] : 0;
      for (index_t e = begin + at.thread() % warp_threads; e < end; e += warp_threads)
        good = good && A.indices[e] >= 0 && A.indices[e] < A.n_cols;
      report += good ? chosen_report{index_t(1) << 62, -1, end - begin} : chosen_report{c, i, 0};
    });
    return report;
  }
};

struct sketch_settings {
  completion_sketch kind;
  index_t n_sketch, mixed;  // rows of the sketch, and of what srht mixes for the longest row
  std::uint64_t seed;
};

template <class T, class Team>
struct sketched_step_body {
  using result = completion_share;
  static constexpr int blocks_at_once = 1;
  observed<T> A;
  const T* V;
  T* U;
  index_t k, ld;
  const double* reg;
  int n_cg;
  const index_t* chosen;
  index_t n_chosen;
  sketch_settings how;
  float* shrunk;
  index_t blocks;
  double *work, *memory;  // of the blocks, and of the warps

  static index_t doubles(index_t k, index_t ld, const sketch_settings& how) {
    return (how.n_sketch + how.mixed + k + 8 + max_warps) * ld + block_threads + max_warps;
  }
  PYSOLVE_BODY index_t n_blocks() const { return blocks; }
  PYSOLVE_BODY double reg_of(index_t c) const { return reg && c < k ? reg[c] : 0.0; }

  // What a block works with; every vector has ld values.
  struct places {
    double *sketch, *mixed, *gram, *inversion, *r, *z, *p, *s, *u, *warps, *totals;
  };
  template <class Place>
  PYSOLVE_AT_PLACE places places_of(const Place& at) const {
    double* next =
        work + at.block() * ((how.n_sketch + how.mixed + k + 8 + max_warps) * ld + block_threads + max_warps);
    const auto take = [&](index_t rows) {
      double* const here = next;
      next += rows * ld;
      return here;
    };
    places m;
    m.sketch = take(how.n_sketch), m.mixed = take(how.mixed), m.gram = take(k), m.inversion = take(3);
    m.r = take(1), m.z = take(1), m.p = take(1), m.s = take(1), m.u = take(1), m.warps = take(max_warps);
    m.totals = next;
    return m;
  }

  // f(c) for 0 <= c < n by the threads of the block, which go on together.
  template <class Place, class F>
  static PYSOLVE_AT_PLACE void by_threads(const Place& at, index_t n, F f) {
    for (index_t c = at.thread(); c < n; c += at.block_threads()) f(c);
    at.sync();
  }

  // Sum over the block, in all threads.
  template <class Place>
  static PYSOLVE_AT_PLACE double total(const Place& at, double v, double* memory) {
    v = across(at, v, 1, warp_threads);
    if (at.thread() % warp_threads == 0) memory[at.thread() / warp_threads] = v;
    at.sync();
    double sum = 0;
    for (int w = 0; w < at.block_threads() / warp_threads; ++w) sum += memory[w];
    at.sync();
    return sum;
  }
  template <class Place>
  PYSOLVE_AT_PLACE double dot(const Place& at, const double* a, const double* b, const places& m) const {
    double sum = 0;
    for (index_t c = at.thread(); c < ld; c += at.block_threads()) sum += a[c] * b[c];
    return total(at, sum, m.totals);
  }

  // out = sum over the row's entries of weigh(v_e.x) v_e; returns what this warp's entries sum to beside.
  template <class Place, class Weigh>
  PYSOLVE_AT_PLACE void product(const Place& at, const Team& team, index_t i, const double* x, Weigh& weigh,
                                const places& m, double* out) const {
    const int warp = at.thread() / warp_threads, n_warps = at.block_threads() / warp_threads;
    const index_t d = A.end[i] - A.begin[i];
    auto u = team.template make<double>(0), s = team.template make<double>(1);
    load_vector(team, x, u);
    team.template pass<false>(at, V, u, V, u, A.indices, A.begin[i] + d * warp / n_warps,
                              A.begin[i] + d * (warp + 1) / n_warps, A.n_cols, weigh, true, s);
    store_vector(team, s, m.warps + warp * ld);
    at.sync();
    by_threads(at, ld, [&](index_t c) {
      double sum = 0;
      for (int w = 0; w < n_warps; ++w) sum += m.warps[w * ld + c];
      out[c] = sum;
    });
  }

  template <class Place>
  PYSOLVE_AT_PLACE completion_share operator()(const Place& at) const {
    const Team team(at, ld, memory);
    const places m = places_of(at);
    completion_share share;
    for (index_t c = at.block(); c < n_chosen; c += at.n_blocks()) {
      const index_t i = chosen[c];
      T* const u = U + i * ld;
      by_threads(at, ld, [&](index_t x) { m.u[x] = double(u[x]); });
      residual_weigh<T, double> weigh{A.values, A.weights};
      product(at, team, i, m.u, weigh, m, m.r);
      if (team.counts()) share.squares += weigh.squares;
      by_threads(at, ld, [&](index_t x) { m.r[x] -= reg_of(x) * m.u[x]; });
      const bool good = A.end[i] > A.begin[i] && prepare(at, i, m);
      const double factor = steps(at, team, i, good, m);
      const bool fine = is_finite(dot(at, m.u, m.u, m));
      by_threads(at, ld, [&](index_t x) {
        if (fine) u[x] = T(m.u[x]);
        if (shrunk && x == 0) shrunk[c] = float(factor);
      });
    }
    return share;
  }

  // The inverse of S^T S + diag(reg) in m.gram; false where that is not positive.
  template <class Place>
  PYSOLVE_AT_PLACE bool prepare(const Place& at, index_t i, const places& m) const {
    draw(at, i, {how.seed ^ std::uint64_t(i) * 0xD1342543DE82EF95u}, m);
    by_threads(at, lower_tile::count(ld), [&](index_t number) {
      const lower_tile tile(number);
      double sum[4][4] = {}, a[4], c[4];
      for (index_t row = 0; row < how.n_sketch; ++row) {
        load_four(m.sketch + row * ld + 4 * tile.a, a);
        load_four(m.sketch + row * ld + 4 * tile.c, c);
        add_tile(a, c, 1.0, sum);
      }
      for (int x = 0; x < 4; ++x)
        for (int y = 0; y < 4; ++y) {
          const index_t p = 4 * tile.a + x, q = 4 * tile.c + y;
          if (p >= k || q > p) continue;
          m.gram[p * ld + q] = sum[x][y] + (p == q ? reg_of(p) : 0.0);
          m.gram[q * ld + p] = m.gram[p * ld + q];
        }
    });
    return invert_block(at, m.gram, k, ld, 1e-14, m.inversion);
  }

  // S sqrt(W) V_i. Each thread has columns of it, so that sums have the order of the entries.
  template <class Place>
  PYSOLVE_AT_PLACE void draw(const Place& at, index_t i, const random_sequence& bits, const places& m) const {
    const index_t begin = A.begin[i], d = A.end[i] - begin, n = how.n_sketch;
    const auto weighted = [&](index_t e, index_t c) {
      const double w = A.weights ? double(A.weights[begin + e]) : 1.0;
      return sqrt(w) * double(V[index_t(A.indices[begin + e]) * ld + c]);
    };
    if (how.kind == completion_sketch::count) {
      by_threads(at, n * ld, [&](index_t x) { m.sketch[x] = 0; });
      by_threads(at, ld, [&](index_t c) {
        for (index_t e = 0; e < d; ++e)
          m.sketch[bits.below(2 * e + 1, n) * ld + c] += bits.sign(2 * e) * weighted(e, c);
      });
    } else if (how.kind == completion_sketch::rows) {
      by_threads(at, n * ld, [&](index_t x) {
        m.sketch[x] = sqrt(double(d) / double(n)) * weighted(bits.below(x / ld, d), x % ld);
      });
    } else {
      index_t size = 1;
      while (size < d) size *= 2;
      by_threads(at, size * ld, [&](index_t x) {
        m.mixed[x] = x / ld < d ? bits.sign(x / ld) * weighted(x / ld, x % ld) : 0.0;
      });
      for (index_t half = 1; half < size; half *= 2)
        by_threads(at, size / 2 * ld, [&](index_t x) {
          const index_t pair = x / ld, row = pair / half * 2 * half + pair % half;
          double *const a = m.mixed + row * ld + x % ld, *const b = a + half * ld;
          const double sum = *a + *b;
          *b = *a - *b;
          *a = sum;
        });
      by_threads(at, n * ld, [&](index_t x) {
        m.sketch[x] = m.mixed[bits.below(d + x / ld, size) * ld + x % ld] / sqrt(double(n));
      });
    }
  }

  // z = M r
  template <class Place>
  PYSOLVE_AT_PLACE void precondition(const Place& at, bool good, const places& m) const {
    by_threads(at, ld, [&](index_t a) {
      double sum = good ? 0.0 : m.r[a];
      for (index_t c = 0; good && a < k && c < k; ++c) sum += m.gram[c * ld + a] * m.r[c];
      m.z[a] = sum;
    });
  }

  // Conjugate gradients on u from r. Returns the factor that the root of r^T M r shrank by a step.
  template <class Place>
  PYSOLVE_AT_PLACE double steps(const Place& at, const Team& team, index_t i, bool good,
                                const places& m) const {
    precondition(at, good, m);
    by_threads(at, ld, [&](index_t c) { m.p[c] = m.z[c]; });
    double rz = dot(at, m.r, m.z, m);
    const double first = rz;
    int step = 0;
    for (; step < n_cg && rz > 0; ++step) {
      product_weigh<T, double> weigh{A.weights};
      product(at, team, i, m.p, weigh, m, m.s);
      by_threads(at, ld, [&](index_t c) { m.s[c] += reg_of(c) * m.p[c]; });
      const double alpha = rz / dot(at, m.p, m.s, m);
      if (!(alpha > 0) || !is_finite(alpha)) break;
      by_threads(at, ld, [&](index_t c) {
        m.u[c] += alpha * m.p[c];
        m.r[c] -= alpha * m.s[c];
      });
      precondition(at, good, m);
      const double after = dot(at, m.r, m.z, m);
      by_threads(at, ld, [&](index_t c) { m.p[c] = m.z[c] + after / rz * m.p[c]; });
      rz = after;
    }
    return step > 0 && first > 0 ? pow((rz > 0 ? rz : 0.0) / first, 0.5 / step) : 1.0;
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
