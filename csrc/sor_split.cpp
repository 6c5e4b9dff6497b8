// How a sor_split is made and refilled: checks, the schedule's numbering, the entries of L and U.
#include "sor_split.hpp"

#include <cmath>
#include <cstring>
#include <stdexcept>

#include "instantiate.hpp"
#include "parallel.hpp"
#include "simd.hpp"

namespace pysolve::cpu {
namespace {

constexpr index_t chunk_rows = 512;  // between two looks at what the other threads have done

// Numbers of the schedule, level by level; block_begin are the first rows of the blocks that have any.
buffer<std::int32_t> sort_by_level(const row_levels& levels, index_t n, buffer<std::int32_t>& row,
                                   std::vector<index_t>& block_begin) {
  buffer<std::int32_t> next(levels.n_levels + 1), position(n);
  std::fill(next.get(), next.get() + levels.n_levels + 1, 0);
  for (index_t i = 0; i < n; ++i) ++next[levels.level[i] + 1];
  for (index_t l = 0; l < levels.n_levels; ++l) next[l + 1] += next[l];
  for (const std::int32_t level : levels.block_level) {
    const index_t begin = next[level];
    if (begin < n && (block_begin.empty() || block_begin.back() < begin)) block_begin.push_back(begin);
  }
  block_begin.push_back(n);
  for (index_t i = 0; i < n; ++i) {
    const std::int32_t p = next[levels.level[i]]++;
    position[i] = p;
    row[p] = std::int32_t(i);
  }
  return position;
}

template <class V>
buffer<char> copy_of(const V* values, index_t count) {
  buffer<char> copy(count * index_t(sizeof(V)));
  if (count > 0) std::memcpy(copy.get(), values, std::size_t(copy.size));
  return copy;
}

}  // namespace

template <class T>
template <class I>
sor_split<T>::sor_split(const csr<I, T>& A, index_t nnz, sor_order order) : n(A.n_rows) {
  if (n >= (index_t(1) << 31) || nnz >= (index_t(1) << 32))
    throw std::length_error("a split matrix has less than 2**31 rows and 2**32 entries");
  bool sorted = true;
  const pattern<I> given{n, A.indptr, A.indices};
  fault = check_pattern(given, nnz, sorted);
  if (fault.kind != sor_fault::none) return;
  buffer<I> sorted_indices;
  buffer<index_t> source;
  if (!sorted) fault = sort_rows(given, sorted_indices, source, [&](index_t k) { return A.data[k]; });
  if (fault.kind != sor_fault::none) return;
  const csr<I, T> B{n, n, A.indptr, sorted ? A.indices : sorted_indices.get(), A.data};
  n_entries = A.indptr[n];
  mirrors_ = find_mirrors(pattern<I>{n, B.indptr, B.indices}, source.get());
  const row_levels levels = order == sor_order::natural ? natural_levels(n, B.indptr, B.indices)
                                                        : color_levels(n, B.indptr, B.indices);
  n_levels = levels.n_levels;
  n_colors = levels.n_colors;
  row = buffer<std::int32_t>(n);
  std::vector<index_t> block_begin;
  const buffer<std::int32_t> position = sort_by_level(levels, n, row, block_begin);
  cut(block_begin);
  fill(B, source.get(), position);
  indptr_ = copy_of(A.indptr, n + 1);
  indices_ = copy_of(A.indices, n_entries);
  index_width_ = sizeof(I);
  refill(A.data);
  if (n_threads(n_entries * index_t(4 + sizeof(T))) > 1 && n_blocks > 1) {
    find_waits(lower);
    find_waits(upper);
  }
}

// Each block in chunks of about chunk_rows rows.
template <class T>
void sor_split<T>::cut(const std::vector<index_t>& block_begin) {
  n_blocks = index_t(block_begin.size()) - 1;
  const auto pieces = [&](index_t b) {
    return std::max<index_t>(1, (block_begin[b + 1] - block_begin[b] + chunk_rows / 2) / chunk_rows);
  };
  for (index_t b = 0; b < n_blocks; ++b) n_chunks += pieces(b);
  chunk = buffer<std::int32_t>(n_chunks + 1);
  block = buffer<std::int32_t>(n_blocks + 1);
  block_of = buffer<std::int32_t>(n_chunks);
  index_t c = 0;
  for (index_t b = 0; b < n_blocks; ++b) {
    const index_t begin = block_begin[b], rows = block_begin[b + 1] - begin, count = pieces(b);
    block[b] = std::int32_t(c);
    for (index_t piece = 0; piece < count; ++piece, ++c) {
      chunk[c] = std::int32_t(begin + rows * piece / count);
      block_of[c] = std::int32_t(b);
    }
  }
  block[n_blocks] = std::int32_t(n_chunks);
  chunk[n_chunks] = std::int32_t(n);
}

template <class T>
template <class I>
void sor_split<T>::fill(const csr<I, T>& A, const index_t* source, const buffer<std::int32_t>& position) {
  index_t n_lower = index_t(mirrors_.pairs.size());
  if (!mirrors_.alone.empty()) {
    n_lower = 0;
    for (index_t i = 0; i < n; ++i)
      for (index_t k = A.indptr[i]; k < index_t(A.indptr[i + 1]); ++k)
        n_lower += position[A.indices[k]] < position[i];
  }
  lower.make(n, n_chunks, n_lower);
  upper.make(n, n_chunks, n_entries - n - n_lower);
  diagonal = buffer<real>(n);
  diagonal_source_ = buffer<std::uint32_t>(n);
  index_t c = 0, below = 0, above = 0;
  for (index_t p = 0; p < n; ++p) {
    if (p == chunk[c]) {
      lower.start[c] = below;
      upper.start[c++] = above;
    }
    const index_t i = row[p], first_below = below, first_above = above;
    for (index_t k = A.indptr[i], end = A.indptr[i + 1]; k < end; ++k) {
      const std::int32_t q = position[A.indices[k]];
      const std::uint32_t from = std::uint32_t(source ? source[k] : k);
      if (q == p) {
        diagonal_source_[p] = from;
      } else if (q < p) {
        lower.column[below] = q;
        lower.source[below++] = from;
      } else {
        upper.column[above] = q;
        upper.source[above++] = from;
      }
    }
    lower.length[p] = std::int32_t(below - first_below);
    upper.length[p] = std::int32_t(above - first_above);
  }
  lower.start[n_chunks] = below;
  upper.start[n_chunks] = above;
}

// For each chunk, the chunks of other blocks that its entries read from: of every block the last one to be done.
template <class T>
void sor_split<T>::find_waits(triangle<T>& half) {
  const bool ascending = &half == &lower;
  buffer<std::int32_t> chunk_of(n);
  for (index_t c = 0; c < n_chunks; ++c)
    std::fill(chunk_of.get() + chunk[c], chunk_of.get() + chunk[c + 1], std::int32_t(c));
  std::vector<index_t> at(std::size_t(n_blocks), -1);  // the place in waits that is the block's
  half.wait_start.assign(std::size_t(n_chunks + 1), 0);
  for (index_t c = 0; c < n_chunks; ++c) {
    const index_t first = index_t(half.waits.size()), own = block_of[c];
    const std::int32_t begin = chunk[block[own]], end = chunk[block[own + 1]];
    for (index_t k = half.start[c]; k < half.start[c + 1]; ++k) {
      const std::int32_t q = half.column[k];
      if (q >= begin && q < end) continue;
      const std::int32_t g = chunk_of[q];
      index_t& place = at[block_of[g]];
      if (place < first) {
        place = index_t(half.waits.size());
        half.waits.push_back(g);
      } else {
        half.waits[place] = ascending ? std::max(half.waits[place], g) : std::min(half.waits[place], g);
      }
    }
    half.wait_start[c + 1] = index_t(half.waits.size());
  }
}

#define PYSOLVE_INSTANTIATE(I, T) template sor_split<T>::sor_split(const csr<I, T>&, index_t, sor_order);
PYSOLVE_FOR_INDEX_VALUE(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
