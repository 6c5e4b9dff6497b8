// Several sweeps over a box in one walk through memory: sweep s of a plane (the cells with one index along axis 0) runs
// as soon as sweep s - 1 has been over the planes beside it, while all of that is still in the caches.
//
// Threads have planes of their own. What lies within s planes of a neighbour's share has to wait for it: those few
// planes are left out of the first pass and made up for in a second one. A sweep may overwrite the array that the
// sweep before it reads: plane i is written when its last reader, the sweep before at plane i + 1, is done with it.
#pragma once
#include <algorithm>

#include "parallel.hpp"

namespace pysolve::cpu {

struct stages {
  index_t n_planes, count;  // planes of the box, sweeps
  bool periodic;            // the first and the last plane are neighbours
  index_t block;            // planes to go on by at a time
  index_t n_shares;

  stages(const index_t n[3], bool periodic_, index_t count_, index_t n_bytes)
      : n_planes(n[0]),
        count(count_),
        periodic(periodic_),
        block(std::max<index_t>(1, 2048 / (n[1] * n[2]))) {
    n_shares = std::max<index_t>(1, std::min<index_t>(n_threads(n_bytes), n_planes / (4 * count)));
  }
  index_t begin(index_t share) const { return n_planes * share / n_shares; }

  // f(sweep, first plane, end) for all sweeps and planes.
  template <class F>
  void run(F&& f) const {
    if (periodic && n_planes < 2 * count) {  // too few planes to leave any out
      for (index_t s = 0; s < count; ++s) f(s, index_t(0), n_planes);
      return;
    }
    parallel_ranges(n_shares, int(n_shares), [&](index_t first, index_t last) {
      for (index_t share = first; share < last; ++share) walk(share, f);
    });
    const index_t seams = n_shares - 1 + periodic;
    parallel_ranges(seams, int(std::min(seams, n_shares)), [&](index_t first, index_t last) {
      for (index_t seam = first; seam < last; ++seam) close_seam(begin(seam + 1), f);
    });
  }

 private:
  template <class F>
  void walk(index_t share, F&& f) const {
    const index_t first = begin(share), last = begin(share + 1);
    const index_t low = share > 0 || periodic, high = share + 1 < n_shares || periodic;
    for (index_t front = first; front < last + count; front += block)
      for (index_t s = 0; s < count; ++s) {
        const index_t from = std::max(front - s, first + low * s),
                      to = std::min(front + block - s, last - high * s);
        if (from < to) f(s, from, to);
      }
  }
  template <class F>
  void close_seam(index_t at, F&& f) const {
    for (index_t s = 1; s < count; ++s) {
      f(s, at - s, at);
      const index_t beyond = at == n_planes ? 0 : at;
      f(s, beyond, beyond + s);
    }
  }
};

}  // namespace pysolve::cpu
