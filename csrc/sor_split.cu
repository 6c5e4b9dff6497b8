// How a sor_split on a device is made and refilled.
#include <limits>
#include <stdexcept>

#include "cuda.cuh"
#include "instantiate.hpp"
#include "sor_split_arrays.hpp"

namespace pysolve::cuda {
namespace {

template <class S>
kept<S> kept_copy(queue& q, const S* host, index_t count) {
  kept<S> memory(count, q.name());
  q.upload(memory.data(), host, count);
  return memory;
}
template <class I>
kept<std::uint32_t> kept_words(queue& q, const I* device, index_t count) {
  const index_t words = count * index_t(sizeof(I) / sizeof(std::uint32_t));
  kept<std::uint32_t> memory(words, q.name());
  q.run(sor_copy_body<std::uint32_t>{reinterpret_cast<const std::uint32_t*>(device), memory.data(), words,
                                     nullptr});
  return memory;
}

// One more than the highest level of the rows before that a row touches, by an entry of its own or of theirs.
template <class I>
buffer<std::int32_t> plain_levels(const pattern<I>& A, index_t& n_levels) {
  buffer<std::int32_t> level(A.n);
  std::fill(level.get(), level.get() + A.n, 0);
  n_levels = 0;
  for (index_t i = 0; i < A.n; ++i) {
    std::int32_t own = level[i];
    for (index_t k = A.indptr[i]; k < index_t(A.indptr[i + 1]) && A.indices[k] < i; ++k)
      own = std::max(own, level[A.indices[k]] + 1);
    level[i] = own;
    for (index_t k = A.indptr[i + 1]; k-- > index_t(A.indptr[i]) && A.indices[k] > i;)
      level[A.indices[k]] = std::max(level[A.indices[k]], own + 1);
    n_levels = std::max(n_levels, index_t(own) + 1);
  }
  return level;
}

// The entries of one triangle, as they are gathered on the host.
struct triangle_lists {
  std::vector<std::uint32_t> start, source;
  std::vector<std::int32_t> column;
  void add(std::int32_t q, std::uint32_t from) {
    column.push_back(q);
    source.push_back(from);
  }
  template <class T>
  void upload(queue& q, triangle_arrays<T>& half) const {
    half.start = kept_copy(q, start.data(), index_t(start.size()));
    half.source = kept_copy(q, source.data(), index_t(source.size()));
    half.column = kept_copy(q, column.data(), index_t(column.size()));
    half.value = kept<T>(index_t(column.size()), q.name());
  }
};

// The order of a matrix: its rows by level, and its triangles in it.
template <class I, class T>
void put_in_order(queue& q, const pattern<I>& A, const index_t* from, const buffer<std::int32_t>& level,
                  std::vector<index_t>& begin, split_arrays<T>& arrays) {
  begin.assign(begin.size(), 0);
  for (index_t i = 0; i < A.n; ++i) ++begin[std::size_t(level[i]) + 1];
  for (std::size_t l = 1; l < begin.size(); ++l) begin[l] += begin[l - 1];
  std::vector<index_t> next(begin);
  std::vector<std::int32_t> row(std::size_t(A.n)), position(std::size_t(A.n));
  for (index_t i = 0; i < A.n; ++i) {
    const index_t p = next[std::size_t(level[i])]++;
    position[std::size_t(i)] = std::int32_t(p);
    row[std::size_t(p)] = std::int32_t(i);
  }
  triangle_lists lower, upper;
  std::vector<std::uint32_t> diagonal(std::size_t(A.n));
  for (index_t p = 0; p < A.n; ++p) {
    const index_t i = row[std::size_t(p)];
    lower.start.push_back(std::uint32_t(lower.column.size()));
    upper.start.push_back(std::uint32_t(upper.column.size()));
    for (index_t k = A.indptr[i]; k < index_t(A.indptr[i + 1]); ++k) {
      const std::int32_t other = position[std::size_t(A.indices[k])];
      const std::uint32_t source = std::uint32_t(from ? from[k] : k);
      if (other == p)
        diagonal[std::size_t(p)] = source;
      else
        (other < p ? lower : upper).add(other, source);
    }
  }
  lower.start.push_back(std::uint32_t(lower.column.size()));
  upper.start.push_back(std::uint32_t(upper.column.size()));
  lower.upload(q, arrays.lower);
  upper.upload(q, arrays.upper);
  const std::vector<std::int32_t> levels(begin.begin(), begin.end());
  arrays.level_begin = kept_copy(q, levels.data(), index_t(levels.size()));
  arrays.row = kept_copy(q, row.data(), A.n);
  arrays.diagonal_source = kept_copy(q, diagonal.data(), A.n);
  arrays.diagonal = kept<real_t<T>>(A.n, q.name());
}

}  // namespace

template <class T>
sor_split<T>::~sor_split() {}

template <class T>
template <class I>
sor_split<T>::sor_split(const csr<I, T>& A, index_t nnz, sor_order order)
    : n(A.n_rows), arrays_(std::make_unique<split_arrays<T>>()) {
  if (n >= (index_t(1) << 31) || nnz >= (index_t(1) << 32))
    throw std::length_error("a split matrix has less than 2**31 rows and 2**32 entries");
  queue q("SorSplit");
  buffer<I> indptr(n + 1), indices(nnz), sorted_indices;
  q.download(indptr.get(), A.indptr, n + 1);
  q.download(indices.get(), A.indices, nnz);
  const pattern<I> given{n, indptr.get(), indices.get()};
  bool sorted = true;
  fault = check_pattern(given, nnz, sorted);
  if (fault.kind != sor_fault::none) return;
  buffer<index_t> source;
  if (!sorted)
    fault = sort_rows(given, sorted_indices, source, [&](index_t k) { return q.fetch(A.data + k); });
  if (fault.kind != sor_fault::none) return;
  const pattern<I> B{n, indptr.get(), sorted ? indices.get() : sorted_indices.get()};
  n_entries = indptr[n];
  const mirrors found = find_mirrors(B, source.get());
  index_t bandwidth = 0;
  const buffer<std::int32_t> level =
      order == sor_order::natural ? plain_levels(B, n_levels) : greedy_colors(B, n_colors, bandwidth);
  if (order == sor_order::multicolor) n_levels = n_colors;
  level_begin.resize(std::size_t(n_levels + 1));
  split_arrays<T>& on = *arrays_;
  put_in_order(q, B, source.get(), level, level_begin, on);
  on.n_pairs = index_t(found.pairs.size());
  on.n_alone = index_t(found.alone.size());
  static_assert(sizeof(found.pairs[0]) == 2 * sizeof(std::uint32_t));
  on.pairs = kept_copy(q, on.n_pairs ? &found.pairs[0].first : nullptr, 2 * on.n_pairs);
  on.alone = kept_copy(q, found.alone.data(), on.n_alone);
  on.indptr = kept_words(q, A.indptr, n + 1);
  on.indices = kept_words(q, A.indices, n_entries);
  on.index_width = sizeof(I);
  on.lanes = lanes_per_row(n_entries - n, n);
  refill(A.data);
}

template <class T>
void sor_split<T>::refill(const T* data) {
  queue q("SorSplit");
  fault = {};
  norm = asymmetry = 0;
  symmetric = true;
  if (n == 0) return;
  const auto A = arrays_->view(n);
  const auto* values = on_device(data);
  const refill_report report = q.sum(refill_body<device_t<T>>{A, values});
  norm = report.norm;
  if (report.row != nowhere) {
    const scratch<row_fault<device_t<T>>> memory(1, q.name());
    q.run(row_fault_body<device_t<T>>{A, values, report.number, memory.data()});
    const row_fault<device_t<T>> found = q.fetch(memory.data());
    const index_t column = q.fetch(A.row + found.column);
    const auto* value = reinterpret_cast<const T*>(&found.value);
    if (found.kind != sor_fault::none) fault = {found.kind, report.row, column, std::complex<double>(*value)};
  }
  const split_arrays<T>& on = *arrays_;
  asymmetry =
      q.sum(asymmetry_body<device_t<T>>{on.pairs.data(), on.alone.data(), on.n_pairs, on.n_alone, values})
          .value;
  symmetric = asymmetry == 0;
}

template <class T>
template <class I>
bool sor_split<T>::update(const csr<I, T>& A, index_t nnz) {
  const split_arrays<T>& on = *arrays_;
  if (on.index_width != index_t(sizeof(I)) || A.n_rows != n || nnz < n_entries) return false;
  const auto words = [](const I* p) { return reinterpret_cast<const std::uint32_t*>(p); };
  queue q("SorSplit.update");
  const index_t different = q.sum(differences_body{words(A.indptr), on.indptr.data(), on.indptr.size()},
                                  differences_body{words(A.indices), on.indices.data(), on.indices.size()});
  if (different > 0) return false;
  refill(A.data);
  return true;
}

template <class T>
index_t sor_split<T>::bytes() const {
  return arrays_->bytes();
}

#define PYSOLVE_INSTANTIATE(T)                  \
  template sor_split<T>::~sor_split();          \
  template void sor_split<T>::refill(const T*); \
  template index_t sor_split<T>::bytes() const;
PYSOLVE_FOR_VALUE(PYSOLVE_INSTANTIATE)
#define PYSOLVE_INSTANTIATE_SPLIT(I, T)                                   \
  template sor_split<T>::sor_split(const csr<I, T>&, index_t, sor_order); \
  template bool sor_split<T>::update(const csr<I, T>&, index_t);
PYSOLVE_FOR_INDEX_VALUE(PYSOLVE_INSTANTIATE_SPLIT)

}  // namespace pysolve::cuda
