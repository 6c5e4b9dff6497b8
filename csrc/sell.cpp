#include "sell.hpp"

#include <limits>

#include "instantiate.hpp"
#include "parallel.hpp"
#include "sell_slice.hpp"
#include "simd.hpp"

namespace pysolve::cpu {
namespace {

constexpr index_t past_end = std::numeric_limits<index_t>::max();

// Walks one slice diagonal by diagonal: visit(offset, lanes, k) for each diagonal (offset = column - row of the
// slice) in rising order, where lanes is a bit mask of the rows that have it and k[l] their positions in data.
template <class I, class T, class Visit>
PYSOLVE_INLINE void walk_slice(const csr<I, T>& A, index_t slice, Visit&& visit) {
  const index_t first = slice * sell_rows;
  const int rows = int(std::min<index_t>(sell_rows, A.n_rows - first));
  index_t next[sell_rows], end[sell_rows], offset[sell_rows];
  for (int l = 0; l < sell_rows; ++l) {
    next[l] = l < rows ? index_t(A.indptr[first + l]) : 0;
    end[l] = l < rows ? index_t(A.indptr[first + l + 1]) : 0;
    offset[l] = next[l] < end[l] ? index_t(A.indices[next[l]]) - l : past_end;
  }
  for (;;) {
    index_t least = past_end;
    for (int l = 0; l < sell_rows; ++l) least = std::min(least, offset[l]);
    if (least == past_end) return;
    unsigned mask = 0;
    for (int l = 0; l < sell_rows; ++l) mask |= unsigned(offset[l] == least) << l;
    visit(least, mask, next);
    for (int l = 0; l < sell_rows; ++l)
      if (mask >> l & 1) {
        ++next[l];
        offset[l] = next[l] < end[l] ? index_t(A.indices[next[l]]) - l : past_end;
      }
  }
}

PYSOLVE_INLINE bool is_run(index_t offset, unsigned mask, index_t n_cols) {
  return __builtin_popcount(mask) >= sell_least_run && offset >= 0 && offset + sell_rows <= n_cols;
}

template <class I, class T>
void measure_slice(const csr<I, T>& A, index_t slice, index_t& columns, index_t& gathered) {
  index_t runs = 0, left[sell_rows] = {}, longest = 0;
  walk_slice(A, slice, [&](index_t offset, unsigned mask, const index_t*) {
    if (is_run(offset, mask, A.n_cols)) {
      ++runs;
      return;
    }
    for (int l = 0; l < sell_rows; ++l) left[l] += mask >> l & 1;
  });
  for (int l = 0; l < sell_rows; ++l) longest = std::max(longest, left[l]);
  columns = runs + longest;
  gathered = longest;
}

// Runs first, then the gathered columns; a gathered slot without an entry has value 0 and its row's own column.
template <class I, class T>
void pack_slice(const csr<I, T>& A, index_t slice, index_t columns, index_t gather, index_t gathered,
                std::int32_t* column, std::int32_t* indices, T* data) {
  index_t run = 0, left[sell_rows] = {};
  const index_t runs = columns - gathered;
  std::fill(data, data + columns * sell_rows, T());
  for (index_t g = 0; g < gathered; ++g) {
    column[runs + g] = std::int32_t(-1 - (gather + g));
    for (int l = 0; l < sell_rows; ++l)
      indices[g * sell_rows + l] = std::int32_t(std::min(slice * sell_rows + l, A.n_cols - 1));
  }
  walk_slice(A, slice, [&](index_t offset, unsigned mask, const index_t* k) {
    const bool as_run = is_run(offset, mask, A.n_cols);
    if (as_run) column[run] = std::int32_t(offset);
    for (int l = 0; l < sell_rows; ++l) {
      if (!(mask >> l & 1)) continue;
      const index_t slot = as_run ? run : runs + left[l];
      data[slot * sell_rows + l] = A.data[k[l]];
      if (!as_run) indices[left[l]++ * sell_rows + l] = std::int32_t(A.indices[k[l]]);
    }
    run += as_run;
  });
}

template <class T>
PYSOLVE_CLONES void slices_matvec(const sell<T>& A, const T* x, T* y, index_t begin, index_t end) {
  for (index_t s = begin; s < end; ++s) slice_matvec(A, x, y, s);
}

template <class T>
PYSOLVE_CLONES sum_t<T> slices_matvec_dot(const sell<T>& A, const T* x, T* y, index_t begin, index_t end) {
  lane_sum<T> dot;
  for (index_t s = begin; s < end; ++s) slice_matvec_dot(A, x, y, s, dot);
  return dot.total();
}

template <class T>
PYSOLVE_CLONES double slices_residual(const sell<T>& A, const T* b, const T* x, T* r, index_t begin,
                                      index_t end) {
  double rr = 0;
  for (index_t s = begin; s < end; ++s) {
    sum_t<T> acc[sell_rows] = {};
    for (index_t c = A.slice_ptr[s]; c < A.slice_ptr[s + 1]; ++c) {
      const std::int32_t j = A.column[c];
      const std::int32_t* i = j >= 0 ? nullptr : A.indices + index_t(-1 - j) * sell_rows;
      for (int l = 0; l < sell_rows; ++l)
        acc[l] += sum_t<T>(A.data[c * sell_rows + l]) * sum_t<T>(j >= 0 ? x[j + l] : x[i[l]]);
    }
    const index_t first = s * sell_rows;
    for (int l = 0; l < rows_in_slice(A.n_rows, s); ++l) {
      r[first + l] = T(sum_t<T>(b[first + l]) - acc[l]);
      rr += squared(r[first + l]);
    }
  }
  return rr;
}

template <class S, class T, class F>
S over_slices(const sell<T>& A, F&& f) {
  const blocks cut(A.n_slices, 32);
  S part[blocks::max_blocks];
  parallel_ranges(cut.count, n_threads(bytes_of(A)), [&](index_t first, index_t last) {
    for (index_t b = first; b < last; ++b) part[b] = f(cut.begin(b), cut.end(b));
  });
  return sum(part, cut.count);
}

index_t n_slices(index_t n_rows) { return (n_rows + sell_rows - 1) / sell_rows; }

}  // namespace

template <class I, class T>
void sell_measure(const csr<I, T>& A, index_t* columns_of, index_t* gathered_of) {
  const index_t count = n_slices(A.n_rows);
  parallel_ranges(count, n_threads(count * 256), [&](index_t first, index_t last) {
    for (index_t s = first; s < last; ++s) measure_slice(A, s, columns_of[s], gathered_of[s]);
  });
}

template <class I, class T>
void sell_pack(const csr<I, T>& A, const index_t* slice_ptr, const index_t* gather_ptr, std::int32_t* column,
               std::int32_t* indices, T* data) {
  const index_t count = n_slices(A.n_rows);
  parallel_ranges(count, n_threads(count * 256), [&](index_t first, index_t last) {
    for (index_t s = first; s < last; ++s)
      pack_slice(A, s, slice_ptr[s + 1] - slice_ptr[s], gather_ptr[s], gather_ptr[s + 1] - gather_ptr[s],
                 column + slice_ptr[s], indices + gather_ptr[s] * sell_rows, data + slice_ptr[s] * sell_rows);
  });
}

template <class T>
void sell_matvec(const sell<T>& A, const T* x, T* y) {
  over_slices<int>(A, [&](index_t begin, index_t end) { return slices_matvec(A, x, y, begin, end), 0; });
}

template <class T>
sum_t<T> sell_matvec_dot(const sell<T>& A, const T* x, T* y) {
  return over_slices<sum_t<T>>(
      A, [&](index_t begin, index_t end) { return slices_matvec_dot(A, x, y, begin, end); });
}

template <class T>
double sell_residual(const sell<T>& A, const T* b, const T* x, T* r) {
  return over_slices<double>(
      A, [&](index_t begin, index_t end) { return slices_residual(A, b, x, r, begin, end); });
}

#define PYSOLVE_INSTANTIATE_PACK(I, T)                              \
  template void sell_measure(const csr<I, T>&, index_t*, index_t*); \
  template void sell_pack(const csr<I, T>&, const index_t*, const index_t*, std::int32_t*, std::int32_t*, T*);
PYSOLVE_FOR_INDEX_VALUE(PYSOLVE_INSTANTIATE_PACK)

#define PYSOLVE_INSTANTIATE(T)                                     \
  template void sell_matvec(const sell<T>&, const T*, T*);         \
  template sum_t<T> sell_matvec_dot(const sell<T>&, const T*, T*); \
  template double sell_residual(const sell<T>&, const T*, const T*, T*);
PYSOLVE_FOR_VALUE(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
