// stencil_components as bodies. Every cell starts as a set of its own, whose label is its number; each open face joins the sets of its two
// cells by writing the smaller root into the larger one (an atomic minimum, repeated where another thread was there
// first). Whatever the order, the root of a set is its first cell in the end. Then sets that something ties to 0 are
// marked and the others numbered, each block counting the roots in a stretch of cells. About 40 bytes a cell and the
// weights, once for a geometry.
#pragma once
#include "device_body.hpp"
#include "stencil.hpp"

namespace pysolve::PYSOLVE_BACKEND {

struct own_label_body {
  std::int32_t* label;
  index_t n;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, n, [&](index_t c) { label[c] = std::int32_t(c); });
  }
};

template <class Place>
PYSOLVE_AT_PLACE std::int32_t root_of(const Place& at, const std::int32_t* label, std::int32_t c) {
  for (std::int32_t up = at.load(label + c); up != c; up = at.load(label + c)) c = up;
  return c;
}

template <class Place>
PYSOLVE_AT_PLACE void join(const Place& at, std::int32_t* label, std::int32_t a, std::int32_t b) {
  for (;;) {
    a = root_of(at, label, a);
    b = root_of(at, label, b);
    if (a == b) return;
    const std::int32_t low = a < b ? a : b, high = a < b ? b : a;
    const std::int32_t before = at.atomic_min(label + high, low);
    if (before == high) return;
    a = low;  // another thread has hung `high` below `before`, which is now to be joined
    b = before;
  }
}

// Place of a cell along each axis, and its faces.
template <class T>
struct cell_faces {
  const grid<T>& A;
  index_t at[3], cell;
  PYSOLVE_BODY cell_faces(const grid<T>& A_, index_t c) : A(A_), cell(c) {
    const index_t row = c / A.n[2];
    at[0] = row / A.n[1];
    at[1] = row - at[0] * A.n[1];
    at[2] = c - row * A.n[2];
  }
  PYSOLVE_BODY index_t stride(int axis) const { return axis == 0 ? A.n[1] * A.n[2] : axis == 1 ? A.n[2] : 1; }
  // Whether the face before (0) or after (1) the cell along an axis is open.
  PYSOLVE_BODY bool is_open(int axis, int high) const {
    if (!A.weights[0]) return A.constant[axis] > 0;
    if (!A.weights[axis]) return false;
    const index_t n1 = A.n[1] + (axis == 1), n2 = A.n[2] + (axis == 2);
    const index_t face = (at[0] * n1 + at[1]) * n2 + at[2], next = axis == 0 ? n1 * n2 : axis == 1 ? n2 : 1;
    return A.weights[axis][face + high * next] > 0;
  }
};

template <class T>
PYSOLVE_BODY index_t cells_of(const grid<T>& A) {
  return A.n[0] * A.n[1] * A.n[2];
}

// Joins each cell to the one before it along every axis, and the first to the last where the axis is periodic.
template <class T>
struct join_body {
  grid<T> A;
  std::int32_t* label;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(cells_of(A), block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, cells_of(A), [&](index_t c) {
      const cell_faces<T> faces(A, c);
      for (int axis = 0; axis < 3; ++axis) {
        const bool first = faces.at[axis] == 0;
        if ((first && A.low[axis] != side::periodic) || !faces.is_open(axis, 0)) continue;
        const index_t other = c + (first ? A.n[axis] - 1 : -1) * faces.stride(axis);
        join(at, label, std::int32_t(c), std::int32_t(other));
      }
    });
  }
};

// Every label to its root; mark[root] = 1 where something ties the set to 0. mark is 0 before.
template <class T>
struct tie_body {
  grid<T> A;
  std::int32_t* label;
  std::int32_t* mark;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(cells_of(A), block_threads); }
  PYSOLVE_BODY bool is_tied(index_t c) const {
    if ((A.shift ? A.shift[c] : A.shift0) > 0) return true;
    const cell_faces<T> faces(A, c);
    for (int axis = 0; axis < 3; ++axis) {
      if (faces.at[axis] == 0 && A.low[axis] == side::dirichlet && faces.is_open(axis, 0)) return true;
      if (faces.at[axis] == A.n[axis] - 1 && A.high[axis] == side::dirichlet && faces.is_open(axis, 1))
        return true;
    }
    return false;
  }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, cells_of(A), [&](index_t c) {
      const std::int32_t root = root_of(at, label, std::int32_t(c));
      at.atomic_min(label + c, root);
      if (is_tied(c)) mark[root] = 1;
    });
  }
};

// A decoupled cell is a set of its own, tied by its identity.
struct tie_decoupled_body {
  const index_t* cells;
  index_t count;
  std::int32_t* mark;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(count, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, count, [&](index_t k) { mark[cells[k]] = 1; });
  }
};

// The stretch of cells of a thread: blocks take stretches of equal length in their order, and so do their threads.
struct stretch {
  index_t begin, end;
  template <class Place>
  PYSOLVE_AT_PLACE stretch(const Place& at, index_t n) {
    const index_t of_thread =
        (n + at.n_blocks() * at.block_threads() - 1) / (at.n_blocks() * at.block_threads());
    begin = (at.block() * at.block_threads() + at.thread()) * of_thread;
    end = begin + of_thread < n ? begin + of_thread : n;
  }
};

constexpr index_t cells_per_thread = 16;

// per_block[block] = roots in its stretch that nothing ties.
struct count_body {
  const std::int32_t *label, *mark;
  index_t n;
  index_t* per_block;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads * cells_per_thread); }
  PYSOLVE_BODY bool counts(index_t c) const { return label[c] == c && mark[c] == 0; }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const stretch own(at, n);
    index_t count = 0;
    for (index_t c = own.begin; c < own.end; ++c) count += counts(c);
    count = block_sum(at, count);
    if (at.thread() == 0) per_block[at.block()] = count;
  }
};

// mark[root] = the number of its set, or -1; per_block as it was left by as many blocks. The last block leaves the
// number of sets in *total.
struct number_body {
  count_body counted;
  std::int32_t* mark;
  index_t* total;
  PYSOLVE_BODY index_t n_blocks() const { return counted.n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    index_t* const before = at.template shared<index_t, block_threads + 1>();
    const stretch own(at, counted.n);
    index_t count = 0;
    for (index_t c = own.begin; c < own.end; ++c) count += counted.counts(c);
    before[at.thread()] = count;
    at.sync();
    if (at.thread() == 0) {
      index_t sum = 0;
      for (index_t b = 0; b < at.block(); ++b) sum += counted.per_block[b];
      for (int t = 0; t < at.block_threads(); ++t) {
        const index_t own_count = before[t];
        before[t] = sum;
        sum += own_count;
      }
      if (at.block() == at.n_blocks() - 1) *total = sum;
    }
    at.sync();
    index_t next = before[at.thread()];
    for (index_t c = own.begin; c < own.end; ++c)
      if (counted.label[c] == c) mark[c] = counted.counts(c) ? std::int32_t(next++) : -1;
  }
};

struct relabel_body {
  std::int32_t* label;
  const std::int32_t* number;
  index_t n;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, n, [&](index_t c) { label[c] = number[label[c]]; });
  }
};

// mark has n values, per_block max_blocks.
template <class Queue, class T>
void run_components(Queue& queue, const grid<T>& A, std::int32_t* label, std::int32_t* mark,
                    index_t* per_block, index_t* total) {
  const index_t n = A.size();
  queue.run(own_label_body{label, n});
  queue.run(join_body<T>{A, label});
  queue.run(tie_body<T>{A, label, mark});
  if (A.n_decoupled > 0) queue.run(tie_decoupled_body{A.decoupled, A.n_decoupled, mark});
  const count_body counted{label, mark, n, per_block};
  queue.run(counted);
  queue.run(number_body{counted, mark, total});
  queue.run(relabel_body{label, mark, n});
}

}  // namespace pysolve::PYSOLVE_BACKEND
