// multilevel: a whole V-cycle in one call, z = M r, which the host does not wait for. CUDA alone: on the host Python walks
// the levels, and one sweep takes longer than its calls.
//
// Per level, from the finest on, in launches of their own (v = sizeof(T); w = 12 bytes for the weights in 3-D, 0 where
// they are constants; bytes for each cell of the level, each value counted once):
//
//   launch                                    reads                            writes       bytes         flops
//   u = factor D r, two steps from x = 0      r D weights                      u x          v + 12 + w    26
//   factor r - A x, P^T of it along axis 0    x D r weights alpha              1/2          v + 14 + w    28
//   P^T along the other axes                  1/2, its alpha twice             1/8          5.5           4
//   x += scale P e, along all axes            x, alpha 1 + 1/2 + 1/4, 1/8 e    x            15.5          23
//   a step up (n_steps - 1 times)             x u D weights                    y            16 + w        24
//   the last step, into z                     x u D weights                    z            12 + w + v    25
//
// With two steps a level that is 75 + 4 w + 3 v: 147 bytes and 130 flops a cell in float64 with weights in 3-D, of which
// the coarser levels add a seventh (135 bytes each of their cells): 166 in all, where a launch for every sweep, and for
// every axis of the transfers, would move 195. The limit is the memory: at 4.8 TB/s 256^3 takes 0.58 ms, 512^3 4.7 ms; but
// x += scale P e, some 140 instructions a cell for its 15.5 bytes, waits for them (about 1.5 times as long as for memory;
// the walks take 90 to 165 for 28 to 42). Of 128^3 (0.07 ms) all from the second level on, 12 MB, stays in an L2 cache of
// 50 MB.  Counted, not measured.
// Levels of at most bottom_cells cells, and the coarsest box, which is solved with the inverse, are one launch of one block:
// there a launch would take longer (some 2 us) than the sweep. 128^3: 3 x 6 + 1 = 19 launches, 512^3: 31.
#pragma once
#include <vector>

#include "multilevel.hpp"

namespace pysolve {

#if !defined(PYSOLVE_BOTTOM_CELLS)  // tests take fewer
#define PYSOLVE_BOTTOM_CELLS 4096
#endif
// A sweep over so many takes one block about as long as a launch.
constexpr index_t bottom_cells = PYSOLVE_BOTTOM_CELLS;
constexpr int max_bottom = 8;  // levels in the launch of one block, whose arguments hold them
constexpr int max_steps = 16;  // of a level, on the way down

// One axis of the transfers of a level, in a box of n[0] x n[1] x n[2] cells.
struct axis_transfer {
  index_t n[3];
  int axis;
  bool periodic;
  const float* alpha;
  // Cells of the box of pairs along an axis.
  index_t n_coarse(int a) const { return a == axis ? (n[a] + 1) / 2 : n[a]; }
};

// A level and its transfers to the next one, along axes that rise: to[t] of the box that is left after t of them.
// Work space: u, x, y of the level's size; `half` of the box after the first transfer, `coarse` after the last.
struct cycle_level {
  grid<float> A;
  const float* inverse;  // D; null: no sweeps here, the right-hand side is passed on
  float scale;           // of the correction that comes from below
  int n_axes;
  axis_transfer to[3];
  float *u, *x, *y, *half, *coarse;

  // The next transfer, after the n_axes that are there.
  void add_transfer(int axis, const float* alpha) {
    axis_transfer& next = to[n_axes];
    for (int a = 0; a < 3; ++a) next.n[a] = n_axes ? to[n_axes - 1].n_coarse(a) : A.n[a];
    next.axis = axis, next.periodic = A.low[axis] == side::periodic, next.alpha = alpha;
    ++n_axes;
  }
};

struct cycle_plan {
  std::vector<cycle_level> levels;
  std::vector<float> tau[2];  // steps of the finest level, of the others
  index_t n_coarsest;         // cells of the coarsest box,
  const float* solve;         // its inverse, n_coarsest by n_coarsest and symmetric,
  float* solution;            // and its solution
};

#if !defined(PYSOLVE_BACKEND_cpu)
namespace PYSOLVE_BACKEND {

// z = last (cycle of `factor` r); in solid cells z = 0, or with `keep` r. r may be z. Without levels the inverse alone.
template <class T>
void multilevel_cycle(const cycle_plan& plan, const T* r, double factor, double last, bool keep, T* z);

}  // namespace PYSOLVE_BACKEND
#endif
}  // namespace pysolve
