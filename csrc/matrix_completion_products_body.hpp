// Bodies of what is computed from all entries without a solve: gradient, J^T J, residual, deviations.
#pragma once
#include "matrix_completion_segments_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// out_i = sum_e w_e (y_e - u_i.v_e) v_e, and the sum of w_e (y_e - u_i.v_e)^2.
//   bytes: N ld sizeof T gathered; flops: 4 N k
template <class T>
struct gradient_task {
  using value = T;
  observed<T> A;
  const T *V, *U;  // U null: 0
  T* out;
  index_t ld;
  template <class Team, class Place>
  PYSOLVE_AT_PLACE segment_sum pass(const Place& at, const Team& team, index_t i, index_t begin, index_t end,
                                    typename Team::template vector<T>& s) const {
    residual_weigh<T> weigh{A.values, A.weights};
    auto u = team.template make<T>(4);
    load_vector(team, U ? U + i * ld : nullptr, u);
    const bool good =
        team.template pass<false>(at, V, u, V, u, A.indices, begin, end, A.n_cols, weigh, true, s);
    return {team.over_entries(at, weigh.squares), good, 0};
  }
  // Writes the row, and returns its share.
  template <class Team, class Place>
  PYSOLVE_AT_PLACE double finish(const Place&, const Team& team, index_t i, double weighed,
                                 typename Team::template vector<T>& s) const {
    store_vector(team, s, out + i * ld);
    return team.lane == 0 ? weighed : 0;
  }
};

// out_i = sum_e w_e (p_i.v_e + u_i.q_e) v_e + damping p_i, and p_i.out_i.
//   bytes: 2 N ld sizeof T gathered; flops: 6 N k
template <class T>
struct normal_task {
  using value = T;
  observed<T> A;
  const T *U, *V, *P, *Q;  // P null: 0
  T* out;
  index_t ld;
  double damping;
  struct weighted {
    using kept = T;
    const T* weights;
    PYSOLVE_BODY T fetch(index_t e) const { return weights ? weights[e] : T(1); }
    PYSOLVE_BODY T operator()(T w, index_t, T dot) const { return w * dot; }
  };
  template <class Team, class Place>
  PYSOLVE_AT_PLACE segment_sum pass(const Place& at, const Team& team, index_t i, index_t begin, index_t end,
                                    typename Team::template vector<T>& s) const {
    weighted weigh{A.weights};
    auto p = team.template make<T>(4), u = team.template make<T>(5);
    load_vector(team, P ? P + i * ld : nullptr, p);
    load_vector(team, U + i * ld, u);
    return {0, team.template pass<true>(at, V, p, Q, u, A.indices, begin, end, A.n_cols, weigh, true, s), 0};
  }
  template <class Team, class Place>
  PYSOLVE_AT_PLACE double finish(const Place& at, const Team& team, index_t i, double,
                                 typename Team::template vector<T>& s) const {
    double sum = 0;
    PYSOLVE_UNROLL_SLOTS
    for (int c = 0; c < team.slots(); ++c) {
      const T p = P && team.holds(c) ? P[i * ld + team.component(c)] : T();
      s[c] += T(damping) * p;
      sum += double(p) * double(s[c]);
    }
    store_vector(team, s, out + i * ld);
    sum = team.over_components(at, sum);
    return team.lane == 0 ? sum : 0;
  }
};

// r_e = |y_e - u_i.v_e|, infinite where it is not a number; nothing is summed.
template <class T>
struct deviations_task {
  using value = T;
  observed<T> A;
  const T *V, *U;
  T* r;
  index_t ld;
  struct kept_apart {
    using kept = T;
    const T* values;
    T* r;
    PYSOLVE_BODY T fetch(index_t e) const { return values[e]; }
    PYSOLVE_BODY T operator()(T y, index_t e, T dot) const {
      const T far = y < dot ? dot - y : y - dot;
      r[e] = far >= 0 ? far : T(INFINITY);
      return T();
    }
  };
  template <class Team, class Place>
  PYSOLVE_AT_PLACE segment_sum pass(const Place& at, const Team& team, index_t i, index_t begin, index_t end,
                                    typename Team::template vector<T>& s) const {
    kept_apart weigh{A.values, r};
    auto u = team.template make<T>(4);
    load_vector(team, U + i * ld, u);
    return {0, team.template pass<false>(at, V, u, V, u, A.indices, begin, end, A.n_cols, weigh, false, s),
            0};
  }
  template <class Team, class Place>
  PYSOLVE_AT_PLACE double finish(const Place&, const Team&, index_t, double,
                                 typename Team::template vector<T>&) const {
    return 0;
  }
};

// ---- a task over rows of at most `limit` entries, over segments, and over the rows that those are of ---------------

template <class Task, class Team>
struct task_rows_body {
  using result = completion_share;
  static constexpr int blocks_at_once = 1;
  Task task;
  index_t limit;
  double* memory;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_of_warps<Team>(task.A.n_rows); }
  template <class Place>
  PYSOLVE_AT_PLACE completion_share operator()(const Place& at) const {
    const Team team(at, task.ld, memory);
    completion_share share;
    over_warps(at, task.A.n_rows, [&](index_t i) {
      const bool known = has_entries(task.A, i);
      if (known && task.A.end[i] - task.A.begin[i] > limit) return;
      auto s = team.template make<typename Task::value>(0);
      segment_sum sum{0, 0, 0};
      if (known) sum = task.pass(at, team, i, task.A.begin[i], task.A.end[i], s);
      if (sum.good)
        share.squares += task.finish(at, team, i, sum.weighed, s);
      else
        share += {0, i};
    });
    return share;
  }
};

template <class Task, class Team>
struct task_segments_body {
  static constexpr int blocks_at_once = 1;
  Task task;
  const long_row* rows;
  const segment* segments;
  index_t n_segments;
  typename Task::value* parts;
  segment_sum* sums;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_of_warps<Team>(n_segments); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const Team team(at, task.ld, nullptr);
    over_warps(at, n_segments, [&](index_t number) {
      const segment here = segments[number];
      auto s = team.template make<typename Task::value>(0);
      const segment_sum sum = task.pass(at, team, rows[here.number].row, here.begin, here.end, s);
      store_vector(team, s, parts + number * task.ld);
      if (team.lane == 0) sums[number] = sum;
    });
  }
};

template <class Task, class Team>
struct task_join_body {
  using result = completion_share;
  static constexpr int blocks_at_once = 1;
  Task task;
  const long_row* rows;
  index_t n_rows;
  const typename Task::value* parts;
  const segment_sum* sums;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_of_warps<Team>(n_rows); }
  template <class Place>
  PYSOLVE_AT_PLACE completion_share operator()(const Place& at) const {
    const Team team(at, task.ld, nullptr);
    completion_share share;
    over_warps(at, n_rows, [&](index_t number) {
      auto s = team.template make<typename Task::value>(0);
      const segment_sum sum = join_segments(at, team, rows[number], parts, sums, s);
      if (sum.good)
        share.squares += task.finish(at, team, rows[number].row, sum.weighed, s);
      else
        share += {0, rows[number].row};
    });
    return share;
  }
};

// ---- medians ---------------------------------------------------------------------------------------------------------

template <class T>
struct bits_of;
template <>
struct bits_of<float> {
  using type = std::uint32_t;
};
template <>
struct bits_of<double> {
  using type = std::uint64_t;
};

// medians_i = the upper median of the r_e that have a weight, 0 without any. The bits of numbers that are not negative
// are in the order of the numbers: two of them at a time are found from the top, by counting.
//   bytes: N (sizeof T, twice with weights) a count, from the caches; 4 sizeof T counts
template <class T>
struct medians_body {
  observed<T> A;
  const T* r;
  T* medians;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(A.n_rows, block_threads / warp_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_warps(at, A.n_rows, [&](index_t i) {
      if (!has_entries(A, i)) return;
      const T median = of_row(at, i);
      if (at.thread() % warp_threads == 0) medians[i] = median;
    });
  }
  template <class Place>
  PYSOLVE_AT_PLACE T of_row(const Place& at, index_t i) const {
    using bits = typename bits_of<T>::type;
    bits found = 0;
    index_t wanted = counted(at, i, 0, 8 * sizeof(T)).total() / 2;  // so many are before it
    for (int shift = 8 * sizeof(T) - 2; shift >= 0; shift -= 2) {
      const counts here = counted(at, i, found, shift);
      if (here.total() == 0) return 0;
      int digit = 0;
      while (digit < 3 && wanted >= here.x[digit]) wanted -= here.x[digit++];
      found |= bits(digit) << shift;
    }
    T median;
    memcpy(&median, &found, sizeof median);
    return median;
  }
  struct counts {
    index_t x[4];
    PYSOLVE_BODY index_t total() const { return x[0] + x[1] + x[2] + x[3]; }
    PYSOLVE_BODY counts& operator+=(const counts& o) {
      for (int d = 0; d < 4; ++d) x[d] += o.x[d];
      return *this;
    }
  };
  // How many have the bits above shift + 1 of `found` and each value of the two from shift on; all where shift is all bits.
  template <class Place>
  PYSOLVE_AT_PLACE counts counted(const Place& at, index_t i, typename bits_of<T>::type found,
                                  int shift) const {
    constexpr int all = 8 * sizeof(T);
    counts count{};
    for (index_t e = A.begin[i] + at.thread() % warp_threads; e < A.end[i]; e += warp_threads) {
      if (A.weights && !(A.weights[e] > 0)) continue;
      typename bits_of<T>::type here;
      memcpy(&here, r + e, sizeof here);
      const int above = shift + 2 < all ? shift + 2 : 0;
      const bool same = above == 0 || (here >> above) == (found >> above);
      const int digit = shift < all ? int((here >> (shift < all ? shift : 0)) & 3) : 0;
      for (int d = 0; d < 4; ++d) count.x[d] += same && d == digit;
    }
    return across(at, count, 1, warp_threads);
  }
};

// ---- entries in any order ---------------------------------------------------------------------------------------------

// r_e = y_e - u_i.v_j, and the sum of w_e r_e^2; two rows of ld values gathered by the lanes of a group.
template <class T>
struct entries_residual_body {
  using result = completion_share;
  static constexpr int blocks_at_once = 1;
  const std::int32_t *rows, *cols;
  const T *values, *weights;
  index_t n_entries;
  const T* U;
  index_t m;
  const T* V;
  index_t n, ld;
  T* r;
  PYSOLVE_BODY int lanes() const {
    int G = 2;
    while (G < warp_threads && 4 * G < ld) G *= 2;
    return G;
  }
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n_entries, block_threads / lanes()); }
  template <class Place>
  PYSOLVE_AT_PLACE completion_share operator()(const Place& at) const {
    const int G = lanes(), lane = at.thread() % G, groups = warp_threads / G;
    completion_share share;
    over_warps(at, (n_entries + groups - 1) / groups, [&](index_t set) {
      const index_t e = set * groups + at.thread() % warp_threads / G;
      const index_t i = e < n_entries ? rows[e] : -1, j = e < n_entries ? cols[e] : -1;
      const bool good = i >= 0 && i < m && j >= 0 && j < n;
      T dot = T(), u[4], v[4];
      for (index_t c = 4 * lane; good && c < ld; c += 4 * G) {
        load_four(U + i * ld + c, u);
        load_four(V + j * ld + c, v);
        PYSOLVE_UNROLL
        for (int x = 0; x < 4; ++x) dot += u[x] * v[x];
      }
      dot = across(at, dot, 1, G);
      if (lane > 0 || e >= n_entries) return;
      if (!good) {
        share += {0, e};
        return;
      }
      const T here = values[e] - dot;
      if (r) r[e] = here;
      share.squares += (weights ? double(weights[e]) : 1.0) * double(here) * double(here);
    });
    return share;
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
