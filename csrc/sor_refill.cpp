// The values of a sor_split: read when it is made, and again for every new matrix with the same pattern.
#include <cmath>
#include <cstring>

#include "instantiate.hpp"
#include "parallel.hpp"
#include "simd.hpp"
#include "sor_split.hpp"

namespace pysolve::cpu {
namespace {

template <class T>
PYSOLVE_INLINE bool finite(T a) {
  return std::isfinite(std::real(a)) && std::isfinite(std::imag(a));
}

// Value k of a row's part from its place in data; returns the sum of |a|.
template <class T>
PYSOLVE_INLINE double gather(const T* data, const triangle<T>& half, index_t k, index_t end) {
  double sum = 0;
  for (; k < end; ++k) {
    const T a = data[half.source[k]];
    half.value[k] = a;
    sum += std::abs(a);
  }
  return sum;
}

}  // namespace

// The first entry of a row that is not finite, or its diagonal that is not positive.
template <class T>
split_fault sor_split<T>::fault_of_row(index_t p, index_t below, index_t above, const T* data) const {
  const index_t i = row[p];
  const auto search = [&](const triangle<T>& half, index_t k) {
    for (const index_t end = k + half.length[p]; k < end; ++k)
      if (!finite(half.value[k]))
        return split_fault{sor_fault::value, i, row[half.column[k]], std::complex<double>(half.value[k])};
    return split_fault{};
  };
  const T d = data[diagonal_source_[p]];
  if (!finite(d)) return {sor_fault::value, i, i, std::complex<double>(d)};
  if (!(std::real(d) > 0) || std::imag(d) != 0) return {sor_fault::diagonal, i, i, std::complex<double>(d)};
  const split_fault found = search(lower, below);
  return found.kind == sor_fault::none ? search(upper, above) : found;
}

template <class T>
void sor_split<T>::refill(const T* data) {
  std::vector<split_fault> faults;
  std::vector<double> largest;
  faults.resize(std::size_t(n_chunks));
  largest.resize(std::size_t(n_chunks));
  const auto fill_chunk = [&](index_t c) {
    index_t below = lower.start[c], above = upper.start[c];
    for (index_t p = chunk[c]; p < chunk[c + 1]; ++p) {
      const T d = data[diagonal_source_[p]];
      diagonal[p] = std::real(d);
      const double sum = gather(data, lower, below, below + lower.length[p]) +
                         gather(data, upper, above, above + upper.length[p]) + std::abs(d);
      if (!std::isfinite(sum) || !(diagonal[p] > 0) || std::imag(d) != 0) {
        const split_fault found = fault_of_row(p, below, above, data);
        if (found.kind != sor_fault::none && (faults[c].kind == sor_fault::none || found.row < faults[c].row))
          faults[c] = found;
      }
      largest[c] = std::max(largest[c], sum);
      below += lower.length[p];
      above += upper.length[p];
    }
  };
  parallel_ranges(n_chunks, n_threads(n_entries * index_t(4 + 2 * sizeof(T))),
                  [&](index_t first, index_t last) {
                    for (index_t c = first; c < last; ++c) fill_chunk(c);
                  });
  fault = {};
  norm = 0;
  for (index_t c = 0; c < n_chunks; ++c) {
    norm = std::max(norm, largest[c]);
    if (faults[c].kind != sor_fault::none && (fault.kind == sor_fault::none || faults[c].row < fault.row))
      fault = faults[c];
  }
  measure_symmetry(data);
}

template <class T>
void sor_split<T>::measure_symmetry(const T* data) {
  const blocks cut(index_t(mirrors_.pairs.size()), 4096);
  double part[blocks::max_blocks];
  parallel_ranges(cut.count, n_threads(cut.n * index_t(8 + 2 * sizeof(T))), [&](index_t first, index_t last) {
    for (index_t b = first; b < last; ++b) {
      part[b] = 0;
      for (index_t k = cut.begin(b); k < cut.end(b); ++k) {
        const auto [below, above] = mirrors_.pairs[k];
        const T difference = data[below] - conjugate(data[above]);
        if (difference != T()) part[b] = std::max(part[b], double(std::abs(difference)));
      }
    }
  });
  asymmetry = 0;
  for (index_t b = 0; b < cut.count; ++b) asymmetry = std::max(asymmetry, part[b]);
  for (const std::uint32_t k : mirrors_.alone) asymmetry = std::max(asymmetry, double(std::abs(data[k])));
  symmetric = asymmetry == 0;
}

template <class T>
template <class I>
bool sor_split<T>::update(const csr<I, T>& A, index_t nnz) {
  if (index_width_ != index_t(sizeof(I)) || A.n_rows != n || nnz < n_entries) return false;
  if (std::memcmp(A.indptr, indptr_.get(), std::size_t(indptr_.size)) != 0) return false;
  if (n_entries > 0 && std::memcmp(A.indices, indices_.get(), std::size_t(indices_.size)) != 0) return false;
  refill(A.data);
  return true;
}

template <class T>
index_t sor_split<T>::bytes() const {
  return lower.bytes() + upper.bytes() + diagonal.bytes() + row.bytes() + chunk.bytes() + block.bytes() +
         block_of.bytes() + indptr_.bytes() + indices_.bytes() + diagonal_source_.bytes() + kept_.bytes() +
         mirrors_.bytes();
}

#define PYSOLVE_INSTANTIATE(T)                  \
  template void sor_split<T>::refill(const T*); \
  template index_t sor_split<T>::bytes() const;
PYSOLVE_FOR_VALUE(PYSOLVE_INSTANTIATE)
#define PYSOLVE_INSTANTIATE_UPDATE(I, T) template bool sor_split<T>::update(const csr<I, T>&, index_t);
PYSOLVE_FOR_INDEX_VALUE(PYSOLVE_INSTANTIATE_UPDATE)

}  // namespace pysolve::cpu
