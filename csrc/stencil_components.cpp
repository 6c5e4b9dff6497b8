// stencil_components and stencil_project_out: the null space of a stencil operator.
#include <vector>

#include "instantiate.hpp"
#include "parallel.hpp"
#include "simd.hpp"
#include "stencil.hpp"

namespace pysolve::cpu {
namespace {

// Disjoint sets of cells. A label leads to a cell of the same set with a smaller number; that of a root is its own.
class cell_sets {
  std::int32_t* label_;

 public:
  explicit cell_sets(std::int32_t* label) : label_(label) {}
  std::int32_t root(std::int32_t c) {
    while (label_[c] != c) c = label_[c] = label_[label_[c]];
    return c;
  }
  void join(std::int32_t a, std::int32_t b) {
    a = root(a), b = root(b);
    label_[std::max(a, b)] = std::min(a, b);
  }
};

// The faces of a row of cells at the low end of one axis: an array, or one number for all.
template <class T>
struct face_row {
  const T* values;
  T constant;
  bool is_open(index_t k) const { return (values ? values[k] : constant) > 0; }
};

template <class T>
face_row<T> faces_below(const grid<T>& A, int axis, index_t i, index_t j) {
  const index_t row[3] = {i * A.n[1] + j, i * (A.n[1] + 1) + j, i * A.n[1] + j};
  const T* w = A.weights[axis];
  return {w ? w + row[axis] * (A.n[2] + (axis == 2)) : nullptr, A.weights[0] ? T(0) : A.constant[axis]};
}

// Joins the cells of a row to those of another through their open faces. Cells of one row that hang together have been
// joined before, so where neither row has moved on to another set nothing is to be done.
template <class T>
void join_rows(cell_sets& sets, const std::int32_t* label, const face_row<T>& faces, index_t row,
               index_t other, index_t n) {
  std::int32_t before[2] = {-1, -1};
  for (index_t k = 0; k < n; ++k) {
    if (!faces.is_open(k)) continue;
    const std::int32_t a = label[row + k], b = label[other + k];
    if (a == before[0] && b == before[1]) continue;
    sets.join(a, b);
    before[0] = label[row + k], before[1] = label[other + k];
  }
}

template <class T>
void join_cells(const grid<T>& A, std::int32_t* label) {
  const index_t n0 = A.n[0], n1 = A.n[1], n2 = A.n[2];
  const bool wraps[3] = {A.low[0] == side::periodic, A.low[1] == side::periodic, A.low[2] == side::periodic};
  cell_sets sets(label);
  for (index_t i = 0; i < n0; ++i)
    for (index_t j = 0; j < n1; ++j) {
      const index_t row = (i * n1 + j) * n2;
      const face_row<T> along = faces_below(A, 2, i, j);
      for (index_t k = 0; k < n2; ++k)
        label[row + k] = k > 0 && along.is_open(k) ? label[row + k - 1] : std::int32_t(row + k);
      if (wraps[2] && along.is_open(0)) sets.join(std::int32_t(row), std::int32_t(row + n2 - 1));
      if (j > 0) join_rows(sets, label, faces_below(A, 1, i, j), row, row - n2, n2);
      if (i > 0) join_rows(sets, label, faces_below(A, 0, i, j), row, row - n1 * n2, n2);
      if (wraps[1] && j == n1 - 1) join_rows(sets, label, faces_below(A, 1, i, 0), row, i * n1 * n2, n2);
      if (wraps[0] && i == n0 - 1) join_rows(sets, label, faces_below(A, 0, 0, j), row, j * n2, n2);
    }
}

// Marks the sets that something ties to 0: an open Dirichlet face, a shift, or the identity of a decoupled cell.
template <class T>
void mark_tied(const grid<T>& A, const std::int32_t* label, std::vector<char>& tied) {
  const index_t n = A.size();
  for (index_t d = 0; d < A.n_decoupled; ++d) tied[label[A.decoupled[d]]] = 1;
  if (A.shift || A.shift0 > 0)
    for (index_t c = 0; c < n; ++c)
      if ((A.shift ? A.shift[c] : A.shift0) > 0) tied[label[c]] = 1;
  const auto across = [&](int axis, index_t i, index_t j, index_t face) {
    const face_row<T> faces = axis == 0 ? faces_below(A, 0, face, j) : faces_below(A, 1, i, face);
    for (index_t k = 0; k < A.n[2]; ++k)
      if (faces.is_open(k)) tied[label[(i * A.n[1] + j) * A.n[2] + k]] = 1;
  };
  for (int high = 0; high < 2; ++high) {
    const side* sides = high ? A.high : A.low;
    const index_t i = high ? A.n[0] - 1 : 0, j = high ? A.n[1] - 1 : 0, k = high ? A.n[2] - 1 : 0;
    if (sides[0] == side::dirichlet)
      for (index_t t = 0; t < A.n[1]; ++t) across(0, i, t, i + high);
    if (sides[1] == side::dirichlet)
      for (index_t t = 0; t < A.n[0]; ++t) across(1, t, j, j + high);
    if (sides[2] == side::dirichlet)
      for (index_t row = 0; row < A.n[0] * A.n[1]; ++row)
        if (faces_below(A, 2, row / A.n[1], row % A.n[1]).is_open(k + high))
          tied[label[row * A.n[2] + k]] = 1;
  }
}

template <class T>
PYSOLVE_CLONES void range_subtract(const std::int32_t* label, const T* mean, std::uint32_t count, T* d,
                                   index_t begin, index_t end) {
  for (index_t c = begin; c < end; ++c) d[c] -= std::uint32_t(label[c]) < count ? mean[label[c]] : T(0);
}

}  // namespace

template <class T>
index_t stencil_components(const grid<T>& A, std::int32_t* labels) {
  const index_t n = A.size();
  join_cells(A, labels);
  for (index_t c = 0; c < n; ++c) labels[c] = labels[labels[c]];
  std::vector<char> tied(n);
  mark_tied(A, labels, tied);
  index_t count = 0;
  std::vector<std::int32_t> number;
  for (index_t c = 0; c < n; ++c) {
    if (tied[labels[c]]) {
      labels[c] = -1;
    } else if (labels[c] == c) {
      number.push_back(std::int32_t(c));
      ++count;
    }
  }
  if (count > 0)
    for (index_t c = 0; c < n; ++c)
      if (labels[c] >= 0)
        labels[c] = std::int32_t(std::lower_bound(number.begin(), number.end(), labels[c]) - number.begin());
  return count;
}

template <class T>
void stencil_project_out(const std::int32_t* labels, index_t n_components, T* d, index_t n) {
  const blocks cut(n,
                   n_components > 64 ? n : 1 << 14);  // many sums, and a copy for each block, would not fit
  const int threads = n_threads(n * index_t(8 + sizeof(T)));
  const auto count = std::uint32_t(n_components);
  std::vector<double> sums(cut.count * n_components), cells(cut.count * n_components);
  parallel_ranges(cut.count, threads, [&](index_t first, index_t last) {
    for (index_t b = first; b < last; ++b) {
      double *sum_of = &sums[b * n_components], *cells_of = &cells[b * n_components];
      for (index_t c = cut.begin(b); c < cut.end(b); ++c)
        if (std::uint32_t(labels[c]) < count) {
          sum_of[labels[c]] += d[c];
          cells_of[labels[c]] += 1;
        }
    }
  });
  std::vector<T> mean(n_components);
  for (index_t k = 0; k < n_components; ++k) {
    double sum_of = 0, cells_of = 0;
    for (index_t b = 0; b < cut.count; ++b) {
      sum_of += sums[b * n_components + k];
      cells_of += cells[b * n_components + k];
    }
    mean[k] = cells_of > 0 ? T(sum_of / cells_of) : T(0);
  }
  parallel_ranges(cut.count, threads, [&](index_t first, index_t last) {
    if (first < last) range_subtract(labels, mean.data(), count, d, cut.begin(first), cut.end(last - 1));
  });
}

#define PYSOLVE_INSTANTIATE(T)                                        \
  template index_t stencil_components(const grid<T>&, std::int32_t*); \
  template void stencil_project_out(const std::int32_t*, index_t, T*, index_t);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
