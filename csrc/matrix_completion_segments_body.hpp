// Bodies for rows that are too long for one warp: cut into segments, each walked by a warp, whose sums are added up in
// their order, in double, by the warp that has the row.
//   A row of d entries has ceil(d / max(1024, d / 4096)) segments; their sums are ld values each, a thousandth of what a
// segment reads.
#pragma once
#include "matrix_completion_entries_body.hpp"
#include "matrix_completion_steps_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

constexpr index_t one_warp_entries = 2048;  // of a row that is not cut
constexpr index_t segment_entries = 1024, most_segments = 4096;

PYSOLVE_BODY index_t segment_length(index_t d) {
  const index_t share = (d + most_segments - 1) / most_segments;
  return share < segment_entries ? segment_entries : share;
}

struct row_counts {
  index_t rows = 0, segments = 0;
  PYSOLVE_BODY row_counts& operator+=(const row_counts& o) {
    rows += o.rows;
    segments += o.segments;
    return *this;
  }
};
template <class T>
PYSOLVE_BODY row_counts cuts_of(const observed<T>& A, index_t i) {
  const index_t d = has_entries(A, i) ? A.end[i] - A.begin[i] : 0;
  if (d <= one_warp_entries) return {};
  return {1, (d + segment_length(d) - 1) / segment_length(d)};
}

struct long_row {
  index_t row, first, count;  // its segments
};
struct segment {
  index_t number, begin, end;  // of the long row; entries
};

// How many there are.
template <class T>
struct count_cuts_body {
  using result = row_counts;
  observed<T> A;
  row_counts* counts;  // of each row
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(A.n_rows, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE row_counts operator()(const Place& at) const {
    row_counts all;
    over_elements(at, A.n_rows, [&](index_t i) {
      const row_counts here = cuts_of(A, i);
      counts[i] = here;
      all += here;
    });
    return all;
  }
};

template <class T>
struct list_cuts_body {
  observed<T> A;
  const row_counts* before;
  long_row* rows;
  segment* segments;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(A.n_rows, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, A.n_rows, [&](index_t i) {
      const row_counts here = cuts_of(A, i);
      if (here.rows == 0) return;
      const index_t length = segment_length(A.end[i] - A.begin[i]), first = before[i].segments;
      rows[before[i].rows] = {i, first, here.segments};
      for (index_t s = 0; s < here.segments; ++s) {
        const index_t begin = A.begin[i] + s * length, end = begin + length;
        segments[first + s] = {before[i].rows, begin, end < A.end[i] ? end : A.end[i]};
      }
    });
  }
};

// The sums of the segments of a row, in their order: s, and of what was weighed; false where an entry did not fit.
struct segment_sum {
  double weighed;
  int good, unused;
};
template <class S, class Team, class Place, class Vector>
PYSOLVE_AT_PLACE segment_sum join_segments(const Place& at, const Team& team, const long_row& row,
                                           const S* parts, const segment_sum* sums, Vector& s) {
  using R = std::remove_reference_t<decltype(s[0])>;
  constexpr int n = Team::slots();
  const int groups = warp_threads / team.G;
  several<double, n> total{};
  segment_sum all{0, 1, 0};
  for (index_t part = row.first + team.lane / team.G; part < row.first + row.count; part += groups) {
    PYSOLVE_UNROLL
    for (int i = 0; i < n; ++i)
      if (team.holds(i)) total.x[i] += double(parts[part * team.ld + team.component(i)]);
    all.weighed += sums[part].weighed;
    all.good &= sums[part].good;
  }
  total = team.over_entries(at, total);
  PYSOLVE_UNROLL
  for (int i = 0; i < n; ++i) s[i] = R(total.x[i]);
  all.weighed = team.over_entries(at, all.weighed);
  all.good = across(at, int(!all.good), 1, warp_threads) == 0;
  return all;
}

// ---- the half step ---------------------------------------------------------------------------------------------------

// The state of the steps of a long row: r, p, du in float, and where they stand.
struct long_state {
  float* vectors;  // 3 ld values each
  row_progress* at;
};

// `step` 0: the first pass, with u. Else the product with p of the step, in float.
template <class T, class S, class Team>
struct long_pass_body {
  static constexpr int blocks_at_once = 1;
  observed<T> A;
  const S* V;
  const T* U;
  row_steps how;
  int step;
  const long_row* rows;
  const segment* segments;
  index_t n_segments;
  long_state state;
  S* parts;
  segment_sum* sums;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_of_warps<Team>(n_segments); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const Team team(at, how.ld, nullptr);
    over_warps(at, n_segments, [&](index_t number) {
      const segment here = segments[number];
      auto x = team.template make<S>(0), s = team.template make<S>(1);
      segment_sum sum{0, 1, 0};
      if (step == 0) {
        if constexpr (std::is_same_v<S, T>) {
          residual_weigh<T> weigh{A.values, A.weights};
          load_vector(team, U + rows[here.number].row * how.ld, x);
          sum.good = team.template pass<false>(at, V, x, V, x, A.indices, here.begin, here.end, A.n_cols,
                                               weigh, true, s);
          sum.weighed = team.over_entries(at, weigh.squares);
        }
      } else if constexpr (std::is_same_v<S, float>) {
        const row_progress progress = state.at[here.number];
        const bool last = step == how.n_cg;
        if (!progress.running || progress.is_foreseen(how, last)) return;
        product_weigh<T> weigh{A.weights};
        load_vector(team, state.vectors + (here.number * 3 + 1) * how.ld, x);
        team.template pass<false>(at, V, x, V, x, A.indices, here.begin, here.end, A.n_cols, weigh, !last, s);
        sum.weighed = double(team.over_entries(at, weigh.curvature));
      }
      store_vector(team, s, parts + number * how.ld);
      if (team.lane == 0) sums[number] = sum;
    });
  }
};

// After the pass of `step`: r, p and du of each long row move on.
template <class T, class S, class Team>
struct long_step_body {
  static constexpr int blocks_at_once = 1;
  T* U;
  row_steps how;
  int step;
  const long_row* rows;
  index_t n_rows;
  long_state state;
  const S* parts;
  const segment_sum* sums;
  double* squares;  // of each long row; negative infinity where an entry did not fit
  PYSOLVE_BODY index_t n_blocks() const { return blocks_of_warps<Team>(n_rows); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const Team team(at, how.ld, nullptr);
    over_warps(at, n_rows, [&](index_t number) {
      steps_of_row<T, Team> steps(how, team);
      float* const r = state.vectors + number * 3 * how.ld;
      if (step == 0) {
        auto gradient = team.template make<T>(4), u = team.template make<T>(5);
        const segment_sum sum = join_segments(at, team, rows[number], parts, sums, gradient);
        load_vector(team, U + rows[number].row * how.ld, u);
        steps.start(at, gradient, u);
        if (!sum.good) steps.at = {};
        if (team.lane == 0) squares[number] = sum.good ? sum.weighed : -double(INFINITY);
      } else {
        steps.at = state.at[number];
        if (!steps.at.running) return;
        load_vector(team, r, steps.r);
        load_vector(team, r + how.ld, steps.p);
        load_vector(team, r + 2 * how.ld, steps.du);
        const segment_sum sum = join_segments(at, team, rows[number], parts, sums, steps.s);
        steps.advance(at, float(sum.weighed), step == how.n_cg);
      }
      store_vector(team, steps.r, r);
      store_vector(team, steps.p, r + how.ld);
      store_vector(team, steps.du, r + 2 * how.ld);
      if (team.lane == 0) state.at[number] = steps.at;
    });
  }
};

template <class T, class Team>
struct long_finish_body {
  using result = completion_share;
  static constexpr int blocks_at_once = 1;
  T* U;
  row_steps how;
  const long_row* rows;
  index_t n_rows;
  long_state state;
  const double* squares;
  float* shrunk;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_of_warps<Team>(n_rows); }
  template <class Place>
  PYSOLVE_AT_PLACE completion_share operator()(const Place& at) const {
    const Team team(at, how.ld, nullptr);
    completion_share share;
    over_warps(at, n_rows, [&](index_t number) {
      const index_t i = rows[number].row;
      if (!is_finite(squares[number]) && squares[number] < 0) {
        share += {0, i};
        return;
      }
      steps_of_row<T, Team> steps(how, team);
      load_vector(team, state.vectors + (number * 3 + 2) * how.ld, steps.du);
      steps.at = state.at[number];
      const float factor = steps.finish(at, U + i * how.ld);
      if (team.lane > 0) return;
      share.squares += squares[number];
      if (shrunk) shrunk[i] = factor;
    });
    return share;
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
