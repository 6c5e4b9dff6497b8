// Red-black sweeps of a 2-D box with the same weights in all rows, several together, on rows cut into two halves: their
// even cells and their odd ones. The half of row i that has a colour depends on the half of the other colour alone,
//
//   x_h[j] += g (b_h[j] + x0 x_h[j] of row i - 1 + x1 x_h[j] of row i + 1 + z0 before + z1 after) - omega x_h[j],
//   before, after = x_o[j - 1], x_o[j] (h even),  x_o[j], x_o[j + 1] (h odd),  o the other half,
//
// so that no lane works for a cell of the wrong colour, as half of them do where the colours alternate in memory.
//
// Rows are cut when the first stage comes to them and joined behind the last; in between a thread keeps those under
// way, of x and of b, in a buffer of its own that fits into its cache. The box is passed through in segments of its
// columns, in units of 16 cells. Stage m of a segment lies m units to the left, and a segment starts on a row when
// the one before it has put that row back. So what a stage finds to the left of its segment is what it needs: the
// other colour there has not been touched by a later stage.
//
// Bytes per cell and sweep: 3 v / sweeps taken together, v = sizeof(T), and more by the share of units that segments
// have in common: with s stages in segments of w cells, 16 s / w of it; flops 11. Iterates are, bit for bit, those
// of relax_colour.
#pragma once
#include <vector>

#include "sor_stencil_rows.hpp"

namespace pysolve::cpu {

constexpr index_t cells_of_unit = 2 * n_lanes;

// Cells 16 u, 16 u + 1, ... of a row, up to n of them, into eight even and eight odd ones for each unit; zeros beyond.
template <class T>
PYSOLVE_CLONES void cut_row(const T* __restrict row, index_t n, T* __restrict even, T* __restrict odd,
                            index_t ahead) {
  index_t j = 0;
  for (; 2 * j + cells_of_unit <= n; j += n_lanes) {
    ask_for(row + 2 * j + ahead), ask_for(row + 2 * j + ahead + n_lanes);
    for (int lane = 0; lane < n_lanes; ++lane) {
      even[j + lane] = row[2 * (j + lane)];
      odd[j + lane] = row[2 * (j + lane) + 1];
    }
  }
  if (2 * j == n) return;
  store(even + j, lanes<T>{}), store(odd + j, lanes<T>{});
  for (; 2 * j < n; ++j) {
    even[j] = row[2 * j];
    if (2 * j + 1 < n) odd[j] = row[2 * j + 1];
  }
}
template <class T>
PYSOLVE_CLONES void join_row(T* __restrict row, index_t n, const T* __restrict even,
                             const T* __restrict odd) {
  for (index_t j = 0; j < n / 2; ++j) {
    row[2 * j] = even[j];
    row[2 * j + 1] = odd[j];
  }
  if (n % 2) row[n - 1] = even[n / 2];
}

// A half and what its cells depend on, from the first unit of a window on.
template <class T>
struct half_row {
  T* x;
  const T *above, *below, *before, *after, *b;
};

// Relaxes values [begin, end) of a half. `low` and `high`: where the first and the last cell of the row are in it,
// or -1.
template <class T, class Row>
PYSOLVE_CLONES void relax_half(half_row<T> r, const Row& weights, T omega, index_t n, index_t begin,
                               index_t end, index_t low, index_t high) {
  const T keep = 1 - omega;
  const eight_cells<T> others = weights.others().copy();
  const auto step = [&](const eight_cells<T>& c, index_t j) PYSOLVE_LAMBDA {
    lanes<T> sum = load(r.b + j) + c.x0 * load(r.above + j) + c.x1 * load(r.below + j);
    sum = sum + c.z0 * load(r.before + j) + c.z1 * load(r.after + j);
    store(r.x + j, keep * load(r.x + j) + c.g * sum);
  };
  const auto end_step = [&](index_t j) PYSOLVE_LAMBDA {
    eight_cells<T> c = others.copy();
    if (j == low) c.z0[0] = weights.first().z0[0], c.g[0] = weights.first().g[0];
    if (const index_t lane = high - j; lane >= 0 && lane < n_lanes) {
      const eight_cells<T>& last = weights.last(n, inside<T>{});
      c.z1[lane] = last.z1[(n - 1) % n_lanes], c.g[lane] = last.g[(n - 1) % n_lanes];
    }
    step(c, j);
  };
  index_t j = begin;
  if (j == low) end_step(j), j += n_lanes;
  const index_t stop = high >= 0 ? std::min(end, high / n_lanes * n_lanes) : end;
  for (; j < stop; j += n_lanes) step(others, j);
  if (j < end) end_step(j);
}

template <class Faces, class T>
class halves {
 public:
  static constexpr index_t least_stages = 6, most_stages = 16;  // what pays, and what the rings hold

 private:
  const sor_system<Faces, T>& s_;
  const index_t n_, rows_, units_;
  const bool wraps_;
  int segments_ = 1, threads_ = 1;
  std::vector<segment_progress> progress_;
  std::unique_ptr<T[]> zeros_, rings_;  // a ring for each thread, from a line of the cache on

  static constexpr index_t rows_in_ring = most_stages + 3, line = 64 / index_t(sizeof(T));
  // The units of a segment that are read, and those that are put back; rows of them in a ring, four halves in each.
  struct window {
    index_t begin, end, first, last;
    T* ring;
    index_t stride;
    T* half(index_t row, int which) const {
      return ring + ((row % rows_in_ring) * 4 + which) * stride + line;
    }
  };

 public:
  halves(const sor_system<Faces, T>& s, const slabs& cut)
      : s_(s),
        n_(s.A.n[2]),
        rows_(s.A.n[0]),
        units_((n_ + cells_of_unit - 1) / cells_of_unit),
        wraps_(s.A.low[2] == side::periodic) {
    constexpr index_t columns_of_a_segment = 8192 / sizeof(T);
    threads_ = cut.threads;
    const int wanted = wraps_ ? 1 : std::max(1, int(n_ / columns_of_a_segment));
    segments_ = (wanted + threads_ - 1) / threads_ * threads_;  // as many for each
    progress_ = std::vector<segment_progress>(segments_);
    zeros_.reset(new T[half_size()]());
    rings_.reset(new T[threads_ * ring_size() + line]());
  }

  static bool suits(const grid<T>& A, const slabs& cut) {
    constexpr index_t least_row = 4 * cells_of_unit;
    return Faces::is_constant && cut.pipelined && A.n[1] == 1 && !has_axis_1(A) && A.n[2] >= least_row;
  }

  // By every thread: relaxes one colour after the other. `passed` counts the steps so far and is the same in all.
  void pass(int thread, int team, const std::vector<int>& colours, index_t& passed) {
    const index_t stages = index_t(colours.size()), steps = rows_ + stages + 1, start = passed, batch = 16;
    passed += steps;
    for (int segment = thread; segment < segments_; segment += team) {
      const window w = window_of(segment, stages, ring_of(thread));
      for (index_t step = 0; step < steps; step += batch) {
        const index_t stop = std::min(steps, step + batch);
        if (team > 1 && segment > 0) progress_[segment - 1].wait(start + std::min(steps, stop + stages + 1));
        for (index_t p = step; p < stop; ++p) one_step(w, segment, p, colours);
        if (team > 1) progress_[segment].publish(start + stop);
      }
    }
  }

 private:
  // Room on both sides, and an odd number of lines: rows do not fall into the same sets of a cache.
  index_t half_size() const {
    const index_t units = (units_ + segments_ - 1) / segments_ + most_stages + 4;
    const index_t eights_in_line = line / n_lanes;
    return (((units + 4) / eights_in_line + 1) | 1) * line;
  }
  index_t ring_size() const { return rows_in_ring * 4 * half_size(); }
  T* ring_of(int thread) const {
    const auto at = reinterpret_cast<std::uintptr_t>(rings_.get());
    return rings_.get() + (line - index_t(at / sizeof(T)) % line) + thread * ring_size();
  }
  // Where stage m of a segment starts and the one before it ends.
  index_t cut(int segment, index_t m, index_t stages) const {
    if (segment <= 0 || segment >= segments_) return segment <= 0 ? 0 : units_;
    return std::clamp(units_ * segment / segments_ + stages / 2 - m, index_t(0), units_);
  }
  window window_of(int segment, index_t stages, T* ring) const {
    const index_t first = cut(segment, stages - 1, stages), last = cut(segment + 1, 0, stages);
    return {std::max(index_t(0), first - 1), std::min(units_, last + 1), first, last, ring, half_size()};
  }
  index_t cells_up_to(index_t unit) const { return std::min(n_, unit * cells_of_unit); }

  void one_step(const window& w, int segment, index_t p, const std::vector<int>& colours) const {
    const index_t stages = index_t(colours.size());
    if (w.first >= w.last) return;
    if (p < rows_) read(w, p);
    for (index_t m = 0; m < stages; ++m) {
      const index_t row = p - 1 - m;
      const index_t begin = cut(segment, m, stages), end = cut(segment + 1, m, stages);
      if (row >= 0 && row < rows_ && begin < end)
        relax(w, row, (row + colours[m]) % 2 != 0, (begin - w.begin) * n_lanes, (end - w.begin) * n_lanes);
    }
    if (const index_t row = p - 1 - stages; row >= 0) {
      const index_t at = w.first * cells_of_unit, skip = (w.first - w.begin) * n_lanes;
      join_row(s_.x + row * n_ + at, cells_up_to(w.last) - at, w.half(row, 0) + skip, w.half(row, 1) + skip);
    }
  }

  void read(const window& w, index_t row) const {
    const index_t at = w.begin * cells_of_unit, count = cells_up_to(w.end) - at, ahead = ahead_of<T>(n_);
    cut_row(static_cast<const T*>(s_.x) + row * n_ + at, count, w.half(row, 0), w.half(row, 1), ahead);
    cut_row(s_.b + row * n_ + at, count, w.half(row, 2), w.half(row, 3), ahead);
    for (int odd : {0, 1}) set_ends(w, w.half(row, odd), odd);
  }

  // What lies beyond the ends of a row, which its weights make nothing of on a Neumann side.
  void set_ends(const window& w, T* half, int odd) const {
    if (odd && w.begin == 0) half[-1] = wraps_ ? half[n_ / 2 - 1] : T(0);
    if (odd == n_ % 2 && w.end == units_) half[n_ / 2 - w.begin * n_lanes] = wraps_ ? half[0] : T(0);
  }

  void relax(const window& w, index_t row, int odd, index_t begin, index_t end) const {
    T* x = w.half(row, odd);
    const T *other = w.half(row, 1 - odd), *none = zeros_.get() + line;
    const half_row<T> r{x,
                        row > 0 ? w.half(row - 1, odd) : none,
                        row < rows_ - 1 ? w.half(row + 1, odd) : none,
                        odd ? other : other - 1,
                        odd ? other + 1 : other,
                        w.half(row, 2 + odd)};
    const index_t low = odd || w.begin > 0 ? -1 : 0;
    const index_t high = (n_ - 1) % 2 == odd && w.end == units_ ? (n_ - 1) / 2 - w.begin * n_lanes : -1;
    relax_half<T>(r, s_.faces.row_at(s_.A, row, 0), s_.omega, n_, begin, end, low, high);
    set_ends(w, x, odd);
  }
};

}  // namespace pysolve::cpu
