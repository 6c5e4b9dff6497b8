// What is found once for the pattern of a matrix that is to be split, on the host whatever the backend: faults, the order
// of the entries, mirrors, and orders of the rows.
#pragma once
#include <algorithm>
#include <bit>
#include <complex>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "sor.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// Values that are written before they are read: not set to zero first, unlike std::vector's.
template <class T>
struct buffer {
  std::unique_ptr<T[]> data;
  index_t size = 0;
  buffer() = default;
  explicit buffer(index_t n) : data(new T[std::size_t(n)]), size(n) {}
  T* get() const { return data.get(); }
  T& operator[](index_t i) const { return data[i]; }
  index_t bytes() const { return size * index_t(sizeof(T)); }
};

struct split_fault {
  sor_fault kind = sor_fault::none;
  index_t row = -1, column = -1;  // column -1: no such entry
  std::complex<double> value = 0;
};

// Rows of a matrix whose values are elsewhere.
template <class I>
struct pattern {
  index_t n;
  const I *indptr, *indices;
};

// The first fault of a pattern with so many entries; whether every row is sorted by column, each column once.
template <class I>
split_fault check_pattern(const pattern<I>& A, index_t nnz, bool& sorted) {
  if (A.indptr[0] != 0) return {sor_fault::indptr, 0};
  for (index_t i = 0; i < A.n; ++i)
    if (A.indptr[i + 1] < A.indptr[i]) return {sor_fault::indptr, i + 1};
  if (index_t(A.indptr[A.n]) > nnz) return {sor_fault::indptr, A.n};
  sorted = true;
  for (index_t i = 0; i < A.n; ++i) {
    bool has_diagonal = false;
    index_t before = -1;
    for (index_t k = A.indptr[i], end = A.indptr[i + 1]; k < end; ++k) {
      const index_t j = A.indices[k];
      if (std::uint64_t(j) >= std::uint64_t(A.n)) return {sor_fault::index, i, j};
      has_diagonal |= j == i;
      sorted &= j > before;
      before = j;
    }
    if (!has_diagonal) return {sor_fault::diagonal, i};
  }
  return {};
}

// The entries of every row in the order of their columns: columns, and where each one was. value(k): that of an entry.
template <class I, class Value>
split_fault sort_rows(const pattern<I>& A, buffer<I>& indices, buffer<index_t>& source, Value value) {
  const index_t nnz = A.indptr[A.n];
  indices = buffer<I>(nnz);
  source = buffer<index_t>(nnz);
  for (index_t i = 0; i < A.n; ++i) {
    index_t* begin = source.get() + A.indptr[i];
    index_t* end = source.get() + A.indptr[i + 1];
    for (index_t* k = begin; k < end; ++k) *k = k - source.get();
    std::sort(begin, end, [&](index_t k, index_t l) { return A.indices[k] < A.indices[l]; });
    for (index_t* k = begin; k < end; ++k) {
      const I j = A.indices[*k];
      if (k > begin && A.indices[k[-1]] == j)
        return {sor_fault::duplicate, i, index_t(j), std::complex<double>(value(*k))};
      indices[k - source.get()] = j;
    }
  }
  return {};
}

// Entries below the diagonal with their mirrors, and entries without one, by their places in the caller's data.
struct mirrors {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs;
  std::vector<std::uint32_t> alone;
  index_t bytes() const { return index_t(pairs.size()) * 8 + index_t(alone.size()) * 4; }
};

// Of sorted rows, each of which has a diagonal: the rows above are read once, each from its diagonal on.
template <class I>
mirrors find_mirrors(const pattern<I>& A, const index_t* source) {
  const auto from = [&](index_t k) { return std::uint32_t(source ? source[k] : k); };
  mirrors found;
  buffer<std::uint32_t> next(A.n);
  found.pairs.reserve(std::size_t((index_t(A.indptr[A.n]) - A.n) / 2));
  for (index_t i = 0; i < A.n; ++i) {
    index_t k = A.indptr[i];
    for (; A.indices[k] < i; ++k) {
      const index_t j = A.indices[k], end = A.indptr[j + 1];
      index_t m = next[j];
      for (; m < end && A.indices[m] < i; ++m) found.alone.push_back(from(m));
      if (m < end && A.indices[m] == i)
        found.pairs.emplace_back(from(k), from(m++));
      else
        found.alone.push_back(from(k));
      next[j] = std::uint32_t(m);
    }
    next[i] = std::uint32_t(k + 1);
  }
  for (index_t j = 0; j < A.n; ++j)
    for (index_t m = next[j]; m < index_t(A.indptr[j + 1]); ++m) found.alone.push_back(from(m));
  return found;
}

constexpr int n_mask_colors = 64;

// The smallest colour that no neighbour earlier in the natural order has; colours beyond the mask serve one row each.
template <class I>
buffer<std::int32_t> greedy_colors(const pattern<I>& A, index_t& n_colors, index_t& bandwidth) {
  const I* indices = A.indices;
  buffer<std::int32_t> color(A.n);
  buffer<std::uint64_t> taken(A.n);
  std::fill(taken.get(), taken.get() + A.n, 0);
  std::int32_t largest = -1, next_single = n_mask_colors;
  for (index_t i = 0; i < A.n; ++i) {
    std::uint64_t mask = taken[i];
    index_t k = A.indptr[i];
    const index_t end = A.indptr[i + 1];
    if (k < end) bandwidth = std::max({bandwidth, i - index_t(indices[k]), index_t(indices[end - 1]) - i});
    for (; k < end && indices[k] < i; ++k)
      if (color[indices[k]] < n_mask_colors) mask |= std::uint64_t(1) << color[indices[k]];
    const int free = std::countr_one(mask);
    color[i] = free < n_mask_colors ? free : next_single++;
    largest = std::max(largest, color[i]);
    if (free < n_mask_colors)
      for (; k < end; ++k) taken[indices[k]] |= std::uint64_t(1) << free;
  }
  n_colors = largest + 1;
  return color;
}

}  // namespace pysolve::PYSOLVE_BACKEND
