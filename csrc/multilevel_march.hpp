// Walks over the cells of a level for the CUDA kernels of multilevel (see device_body.hpp).
//
// A thread takes a run of cells along axis 0, all at one place of the plane: what it knows of the planes before and after
// stays in registers. The threads of a block lie side by side, `lanes` cells along the last axis and beside them the rows
// of axis 1, so that most neighbours in the plane come out of the L1 cache. From the L2 cache a value of x is so fetched
// about 1.9 times instead of 5, which else, and not the memory, would be the limit: for a step up 35 bytes a cell from
// the L2 cache instead of 60, for 28 from memory.
#pragma once
#include "device_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

#if !defined(PYSOLVE_RUNS_WANTED)  // tests ask for fewer, and get long runs in small boxes
#define PYSOLVE_RUNS_WANTED (index_t(1) << 18)
#endif
constexpr index_t runs_wanted = PYSOLVE_RUNS_WANTED;  // threads that the largest devices hold

// `count` places along axis 0 cut into runs of `length`, for every cell of a plane of n[1] x n[2]: about as many runs as
// there are threads.
struct column_runs {
  int lanes = 1;
  index_t length, pieces, n_units;  // a unit: one run each for `lanes` cells
  PYSOLVE_BODY column_runs(const index_t n[3], index_t count, index_t most, index_t threads = runs_wanted) {
    while (lanes < warp_threads && lanes < n[2]) lanes *= 2;
    length = count * n[1] * n[2] / (threads < runs_wanted ? threads : runs_wanted);
    length = length < 1 ? 1 : length < most ? length : most;
    pieces = (n[2] + lanes - 1) / lanes;
    n_units = (count + length - 1) / length * pieces * n[1];
  }
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n_units, block_threads / lanes); }
};

// run(first, last, j, k): the places first <= i < last of the column at (j, k).
template <class Place, class Run>
PYSOLVE_AT_PLACE void over_columns(const index_t n[3], index_t count, index_t most, const Place& at,
                                   Run run) {
  const column_runs cut(n, count, most, at.n_blocks() * at.block_threads());
  const index_t at_once = at.block_threads() / cut.lanes, stride = at.n_blocks() * at_once;
  for (index_t unit = at.block() * at_once + at.thread() / cut.lanes; unit < cut.n_units; unit += stride) {
    const index_t rest = unit / n[1], j = unit - rest * n[1], chunk = rest / cut.pieces;
    const index_t k = (rest - chunk * cut.pieces) * cut.lanes + (at.thread() & (cut.lanes - 1));
    const index_t first = chunk * cut.length, end = first + cut.length;
    if (k < n[2]) run(first, end < count ? end : count, j, k);
  }
}

// The cell beside another: how far away, if there is one. Beyond a Neumann side the cell itself stands in: its difference to
// itself is zero, whatever the weight.
struct cell_beside {
  index_t step = 0;
  bool there = true;
  PYSOLVE_BODY cell_beside(const grid<float>& A, int axis, index_t at, index_t stride, int direction) {
    const index_t end = A.n[axis] - 1;
    const side s = direction < 0 ? A.low[axis] : A.high[axis];
    if (direction < 0 ? at > 0 : at < end)
      step = direction * stride;
    else if (s == side::dirichlet)
      there = false;
    else if (s == side::periodic)
      step = -direction * end * stride;
  }
  // Read where nothing is, too: a branch would keep the processor from issuing all loads of a cell at once.
  template <class Get>
  PYSOLVE_BODY float value(const Get& get, index_t cell) const {
    const float v = get(cell + step);
    return there ? v : 0.0f;
  }
};

// x in a cell and around it.
struct cell_values {
  float here, x0, x1, y0, y1, z0, z1;
};

// A x in a cell of the plane i, with one weight for each axis.
struct constant_faces {
  const grid<float>& A;
  PYSOLVE_BODY constant_faces(const grid<float>& grid, index_t, index_t) : A(grid) {}
  PYSOLVE_BODY float times(const cell_values& v, index_t cell, index_t) const {
    const float two = v.here + v.here;
    const float faces = A.constant[0] * (two - (v.x0 + v.x1)) + A.constant[1] * (two - (v.y0 + v.y1)) +
                        A.constant[2] * (two - (v.z0 + v.z1));
    return (A.shift ? A.shift[cell] : A.shift0) * v.here + faces;
  }
};

// The same with a weight for each face. In a 2-D box, whose values at y0 and y1 are the cell's own, there are none along
// axis 1: others are read in their place.
struct array_faces {
  const grid<float>& A;
  const float* y;
  index_t plane, row, j;
  PYSOLVE_BODY array_faces(const grid<float>& grid, index_t j_, index_t)
      : A(grid),
        y(A.weights[1] ? A.weights[1] : A.weights[0]),
        plane(A.n[1] * A.n[2]),
        row(A.weights[1] ? A.n[2] : 0),
        j(j_) {}
  PYSOLVE_BODY float times(const cell_values& v, index_t cell, index_t i) const {
    const index_t along_y = cell + i * row, along_z = cell + i * A.n[1] + j;
    const float x0 = A.weights[0][cell], x1 = A.weights[0][cell + plane], y0 = y[along_y],
                y1 = y[along_y + row], z0 = A.weights[2][along_z], z1 = A.weights[2][along_z + 1],
                shift = A.shift ? A.shift[cell] : A.shift0;
    return x0 * (v.here - v.x0) + x1 * (v.here - v.x1) + y0 * (v.here - v.y0) + y1 * (v.here - v.y1) +
           (shift * v.here + z0 * (v.here - v.z0) + z1 * (v.here - v.z1));
  }
};

// f.template operator()<Faces>() for the kind of weights that A has.
template <class F>
void with_faces_of(const grid<float>& A, F&& f) {
  if (A.weights[0])
    f.template operator()<array_faces>();
  else
    f.template operator()<constant_faces>();
}

// visit(i, cell, x there, A x there) for the planes first <= i < last at (j, k); get(cell) is x.
template <class Faces, class Get, class Visit>
PYSOLVE_BODY void march(const grid<float>& A, index_t first, index_t last, index_t j, index_t k,
                        const Get& get, Visit&& visit) {
  const index_t plane = A.n[1] * A.n[2], end = A.n[0] - 1;
  const cell_beside y0(A, 1, j, A.n[2], -1), y1(A, 1, j, A.n[2], +1), z0(A, 2, k, 1, -1), z1(A, 2, k, 1, +1);
  const cell_beside top(A, 0, end, plane, +1);
  const Faces faces(A, j, k);
  index_t cell = first * plane + j * A.n[2] + k;
  float before = cell_beside(A, 0, first, plane, -1).value(get, cell), here = get(cell);
  for (index_t i = first; i < last; ++i, cell += plane) {
    const float next = get(cell + (i < end ? plane : top.step)), after = i < end || top.there ? next : 0.0f;
    const cell_values v{here,
                        before,
                        after,
                        y0.value(get, cell),
                        y1.value(get, cell),
                        z0.value(get, cell),
                        z1.value(get, cell)};
    visit(i, cell, here, faces.times(v, cell, i));
    before = here;
    here = after;
  }
}

}  // namespace pysolve::PYSOLVE_BACKEND
