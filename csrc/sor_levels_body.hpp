// The CUDA kernels of sor on split matrices as bodies (see device_body.hpp): sweeps, level after level.
//
// A launch takes the rows of one level, or by one block those of several levels that follow each other and are narrow. 1 to
// 32 neighbouring threads share a row, by the mean row length; vectors are in the order of the levels, so that what a
// level writes lies side by side. Bytes and flops are those of sor.hpp. Where levels are wide (colours) the limit is the
// memory's bandwidth, where there are thousands of them (natural order) the time of a launch, about 2 us each.
#pragma once
#include "sor_split_body.hpp"
#include "sor_waves_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// ---- walks over levels -------------------------------------------------------------------------------------------

struct level_range {
  index_t first, last;
  bool down;
  index_t most_rows;  // of one of them
};

PYSOLVE_BODY index_t level_blocks(const level_range& range, int lanes) {
  return range.last - range.first > 1 ? 1 : blocks_for(range.most_rows * lanes, block_threads);
}

// row(p, is_there, lane) for all rows of levels [first, last) in turn, up or down, by `lanes` threads for each row; all
// threads of a block go round equally often, as shuffles require.
template <class Place, class T, class Row>
PYSOLVE_AT_PLACE void over_levels(const Place& at, const split_view<T>& A, const level_range& range,
                                  Row row) {
  const int lane = at.thread() & (A.lanes - 1);
  const index_t rows = at.block_threads() / A.lanes;
  for (index_t turn = range.first; turn < range.last; ++turn) {
    const index_t level = range.down ? range.last - 1 - (turn - range.first) : turn;
    const index_t end = A.level_begin[level + 1];
    for (index_t first = A.level_begin[level] + at.block() * rows; first < end;
         first += at.n_blocks() * rows) {
      const index_t p = first + at.thread() / A.lanes;
      row(p, p < end, lane);
    }
    if (turn + 1 < range.last) at.sync();
  }
}

// launch(range) for all levels, in groups. Level l has rows begin[l] to begin[l + 1].
template <class Begin, class F>
void over_level_groups(const Begin& begin, int lanes, bool down, F launch) {
  const index_t count = index_t(begin.size()) - 1;
  const auto level_of = [&](index_t l) { return std::size_t(down ? count - 1 - l : l); };
  const auto rows_of = [&](index_t l) { return begin[level_of(l) + 1] - begin[level_of(l)]; };
  over_groups(
      count, [&](index_t l) { return rows_of(l) * lanes; },
      [&](index_t first, index_t last) {
        const index_t a = index_t(level_of(first)), b = index_t(level_of(last - 1));
        index_t most = 0;
        for (index_t l = first; l < last; ++l) most = rows_of(l) > most ? rows_of(l) : most;
        launch(level_range{a < b ? a : b, (a < b ? b : a) + 1, down, most});
      });
}

// ---- arithmetic --------------------------------------------------------------------------------------------------

template <class R>
PYSOLVE_BODY R scaled(R a, R v) {
  return a * v;
}
template <class R>
PYSOLVE_BODY device_complex<R> scaled(R a, device_complex<R> v) {
  return device_complex<R>(a * v.re, a * v.im);
}

template <class S>
struct two_sums {
  S first = S(), second = S();
  PYSOLVE_BODY two_sums& operator+=(const two_sums& o) {
    first += o.first;
    second += o.second;
    return *this;
  }
};

// A lane's share of sum_k a_pk x_k in S over a triangle.
template <class S, class T>
PYSOLVE_BODY S share(const triangle_view<T>& half, index_t p, int lane, int lanes, const T* x) {
  S sum = S();
  for (index_t k = index_t(half.start[p]) + lane; k < index_t(half.start[p + 1]); k += lanes)
    sum += S(half.value[k]) * S(x[half.column[k]]);
  return sum;
}
// The same for x and y, by one look at each entry.
template <class S, class T>
PYSOLVE_BODY two_sums<S> share_of_both(const triangle_view<T>& half, index_t p, int lane, int lanes,
                                       const T* x, const T* y) {
  two_sums<S> sums;
  for (index_t k = index_t(half.start[p]) + lane; k < index_t(half.start[p + 1]); k += lanes) {
    const S a = S(half.value[k]);
    const index_t j = half.column[k];
    sums.first += a * S(x[j]);
    sums.second += a * S(y[j]);
  }
  return sums;
}

// ---- sweeps ------------------------------------------------------------------------------------------------------

// sweep: one direction, with behind[] from the sweep that made old. rise, fall: the halves of a symmetric one, with ahead[]
// from the fall before. product: ahead = U old, at a start.
enum class level_work : int { up, down, rise, fall, product };

// Returns its share of |b - A old|^2 (up, down, rise).
template <class T, level_work what>
struct level_sweep_body {
  using result = double;
  static constexpr int blocks_at_once = 2;  // with no more registers than it likes something spills
  using S = sum_t<T>;
  split_view<T> A;
  sweep_vectors<T> v;
  level_range range;
  const sor_course* course;
  PYSOLVE_BODY index_t n_blocks() const { return level_blocks(range, A.lanes); }
  template <class Place>
  PYSOLVE_AT_PLACE double operator()(const Place& at) const {
    if (ended(course)) return 0;
    double rr = 0;
    over_levels(at, A, range, [&](index_t p, bool is_there, int lane) {
      two_sums<S> sums;
      if (is_there) sums = share_of_row(p, lane);
      sums = lanes_sum(at, sums, A.lanes);
      if (is_there && lane == 0) rr += relax(p, sums);
    });
    return rr;
  }

 private:
  // first: over what is to be made new; second: over what is old.
  PYSOLVE_BODY two_sums<S> share_of_row(index_t p, int lane) const {
    const triangle_view<T>&past = what == level_work::down ? A.upper : A.lower,
          &next = what == level_work::down ? A.lower : A.upper;
    if constexpr (what == level_work::rise)
      return share_of_both<S>(A.lower, p, lane, A.lanes, static_cast<const T*>(v.fresh), v.old);
    else if constexpr (what == level_work::fall)
      return {share<S>(A.upper, p, lane, A.lanes, static_cast<const T*>(v.fresh)), S()};
    else if constexpr (what == level_work::product)
      return {S(), share<S>(A.upper, p, lane, A.lanes, v.old)};
    else
      return {share<S>(past, p, lane, A.lanes, static_cast<const T*>(v.fresh)),
              share<S>(next, p, lane, A.lanes, v.old)};
  }
  PYSOLVE_BODY double relax(index_t p, const two_sums<S>& sums) const {
    const double d = double(A.diagonal[p]), factor = v.omega / d;
    if constexpr (what == level_work::product) {
      v.ahead[p] = sums.second;
      return 0;
    } else if constexpr (what == level_work::fall) {
      const T here = v.fresh[p];
      const S rest = S(v.b[p]) - scaled(d, S(here)) - v.behind[p];
      v.ahead[p] = sums.first;
      v.fresh[p] = moved(here, factor, rest - sums.first);
      return 0;
    } else {
      const T here = v.old[p];
      const S rest = S(v.b[p]) - scaled(d, S(here)) - (what == level_work::rise ? v.ahead[p] : sums.second);
      const double rr = squared(rest - (what == level_work::rise ? sums.second : v.behind[p]));
      v.behind[p] = sums.first;
      v.fresh[p] = moved(here, factor, rest - sums.first);
      return rr;
    }
  }
};

// |b - A old|^2 where the sum over one triangle is known; all rows at once.
template <class T>
struct level_norm_body {
  using result = double;
  using S = sum_t<T>;
  split_view<T> A;
  triangle_view<T> other;
  const S* known;
  const T *b, *old;
  const sor_course* course;
  PYSOLVE_BODY bool skip() const { return ended(course); }
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(A.n * A.lanes, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE double operator()(const Place& at) const {
    const int lane = at.thread() & (A.lanes - 1);
    const index_t rows = at.block_threads() / A.lanes;
    double rr = 0;
    for (index_t first = at.block() * rows; first < A.n; first += at.n_blocks() * rows) {
      const index_t p = first + at.thread() / A.lanes;
      S sum = S();
      if (p < A.n) sum = share<S>(other, p, lane, A.lanes, old);
      sum = lanes_sum(at, sum, A.lanes);
      if (p < A.n && lane == 0)
        rr += squared(S(b[p]) - scaled(double(A.diagonal[p]), S(old[p])) - sum - known[p]);
    }
    return rr;
  }
};

// out[p] = in[row[p]], or back.
template <class T>
struct reorder_body {
  const std::int32_t* row;
  const T* in;
  T* out;
  index_t n;
  bool back;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, n, [&](index_t p) {
      if (back)
        out[row[p]] = in[p];
      else
        out[p] = in[row[p]];
    });
  }
};

template <class T>
struct zero_body {
  T* x;
  index_t n;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, n, [&](index_t i) { x[i] = T(); });
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
