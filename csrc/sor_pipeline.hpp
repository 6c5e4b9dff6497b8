// Passes over a box of cells, slab after slab, by a team of threads, with several stages of work one behind another.
//
// Stage m works on slab p - m while stage 0 works on slab p: a sweep, the residual one slab behind it, the next sweep
// behind that, each where the one before it has just left its slabs in cache. Slabs are planes, or rows of a 2-D box.
// Slabs are cut into segments, which threads take in turn. A segment of a slab is worked on when the one before it is
// done. That of stage m starts m units before that of stage 0: so a stage needs what was done in its own segment or the
// one before, never what will be done in one behind, and a thread may run ahead as far as it gets.
#pragma once
#include <algorithm>
#include <vector>

#include "parallel.hpp"
#include "simd.hpp"

namespace pysolve::cpu {

// Cells [begin, end) of row (i, j), multiples of eight or its end.
struct row_piece {
  index_t i, j, begin, end;
};

// How far a segment has got. Waiting spins for a while and then sleeps: the other may not be running.
class alignas(64) segment_progress {
  std::atomic<index_t> done_{0};

 public:
  void publish(index_t done) {
    done_.store(done, std::memory_order_release);
    done_.notify_all();
  }
  void wait(index_t least) const {
    for (int spins = 0; spins < 2000; ++spins) {
      if (done_.load(std::memory_order_acquire) >= least) return;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
    for (index_t seen; (seen = done_.load(std::memory_order_acquire)) < least;)
      done_.wait(seen, std::memory_order_acquire);
  }
};

// How a box is cut: into slabs, and those into segments, planes by their rows (axis 1), rows by columns.
class slabs {
  index_t n2_, units_;
  bool planes_, by_rows_, wraps_across_;

 public:
  index_t count, rows;  // slabs, and the rows in one
  int threads, segments;
  bool pipelined;  // whether stages may follow each other before the first is through

  template <class T>
  slabs(const grid<T>& A, int wanted)
      : n2_(A.n[2]), planes_(A.n[0] > 1), count(A.n[0] > 1 ? A.n[0] : A.n[1]), rows(A.n[0] > 1 ? A.n[1] : 1) {
    constexpr index_t columns_of_a_thread = 128, rows_of_a_thread = 8;
    by_rows_ = rows > 1;  // by columns, the sums of a plane would not be taken in the order of its rows
    units_ = by_rows_ ? rows : (n2_ + n_lanes - 1) / n_lanes;
    const index_t most = std::max(index_t(1), by_rows_ ? rows / rows_of_a_thread : n2_ / columns_of_a_thread);
    threads = int(std::clamp(count / 4, index_t(1), std::min(most, index_t(wanted))));
    segments = threads;
    const int along = A.n[0] > 1 ? 0 : 1, across = by_rows_ ? 1 : 2;
    wraps_across_ = A.low[across] == side::periodic;
    pipelined = A.low[along] != side::periodic && (threads == 1 || !wraps_across_);
  }

  // More segments than threads where rows are long: what many stages pass through is less at a time. Planes are left as
  // they are: short pieces of them cost more than they save.
  void narrow() {
    constexpr index_t columns_of_a_segment = 2048;
    if (pipelined && !wraps_across_ && !by_rows_)
      segments = std::max(threads, int(n2_ / columns_of_a_segment));
  }
  index_t cells_of_segment() const { return rows * n2_ / segments; }

  // work(stage, slab, piece of one of its rows, whether nothing of the slab was done in this stage before) by every
  // thread of the team, segment by segment; `of` tells how far each has come, and `passed` counts the steps of the
  // passes so far and is the same in all threads. The team may be smaller than what was asked for.
  template <class Work>
  void pass(int thread, int team, index_t n_stages, bool backward, segment_progress* of, index_t& passed,
            Work&& work) const {
    const index_t steps = count + n_stages - 1, start = passed;
    const index_t batch = std::clamp(16384 / cells_of_segment(), index_t(1), index_t(16));
    passed += steps;
    std::vector<range> ranges(n_stages);
    for (int segment = thread; segment < segments; segment += team) {
      for (index_t m = 0; m < n_stages; ++m) ranges[m] = range_of(segment, m, n_stages, backward);
      for (index_t step = 0; step < steps; step += batch) {
        const index_t stop = std::min(steps, step + batch);
        if (team > 1 && segment > 0) of[segment - 1].wait(start + stop);
        for (index_t p = step; p < stop; ++p) one_step(ranges, p, backward, work);
        if (team > 1) of[segment].publish(start + stop);
      }
    }
  }

 private:
  // What a stage does in a slab: its rows and its columns.
  struct range {
    index_t first_row, last_row, begin, end;
    bool is_first;  // no segment is before this one
  };

  // Cells of stage m of n_stages that belong to a segment; from the other end of the box in a backward pass.
  range range_of(int segment, index_t m, index_t n_stages, bool backward) const {
    const auto cut = [&](int t) {
      if (t <= 0 || t >= segments) return t <= 0 ? index_t(0) : units_;
      return std::clamp(units_ * t / segments + n_stages / 2 - m, index_t(0), units_);
    };
    index_t low = cut(segment), high = cut(segment + 1);
    const bool is_first = low == 0;
    if (backward) std::swap(low, high), low = units_ - low, high = units_ - high;
    if (by_rows_) return {low, high, 0, n2_, is_first};
    return {0, rows, low * n_lanes, std::min(n2_, high * n_lanes), is_first};
  }

  template <class Work>
  PYSOLVE_INLINE void one_step(const std::vector<range>& ranges, index_t p, bool backward,
                               Work&& work) const {
    const index_t first = std::max(index_t(0), p - count + 1), last = std::min(index_t(ranges.size()) - 1, p);
    for (index_t at = 0; at < rows; ++at)
      for (index_t m = first; m <= last; ++m) {
        const index_t row = backward ? rows - 1 - at : at, slab = backward ? count - 1 - (p - m) : p - m;
        const range& r = ranges[m];
        if (row < r.first_row || row >= r.last_row || r.begin >= r.end) continue;
        const bool starts = r.is_first && row == (backward ? r.last_row - 1 : r.first_row);
        work(m, slab, planes_ ? row_piece{slab, row, r.begin, r.end} : row_piece{0, slab, r.begin, r.end},
             starts);
      }
  }
};

}  // namespace pysolve::cpu
