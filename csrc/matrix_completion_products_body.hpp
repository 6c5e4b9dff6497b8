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

}  // namespace pysolve::PYSOLVE_BACKEND
