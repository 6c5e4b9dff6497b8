// The CUDA kernels of sell as bodies (see device_body.hpp). Products take one thread for each row: the 8 threads of
// a slice read a column of 8 values as one piece of 32 to 128 bytes and its column number as a broadcast. Measuring
// and packing take one thread for each slice.
#pragma once
#include <limits>

#include "device_body.hpp"
#include "sell.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// (A x)_row with the sum in S.
template <class S, class T>
PYSOLVE_BODY S row_product(const sell<T>& A, const T* x, index_t row) {
  const index_t slice = row / sell_rows, lane = row % sell_rows, end = A.slice_ptr[slice + 1];
  S sum = S();
  for (index_t c = A.slice_ptr[slice]; c < end; ++c) {
    const std::int32_t j = A.column[c];
    const index_t at = j >= 0 ? j + lane : index_t(A.indices[index_t(-1 - j) * sell_rows + lane]);
    sum += S(A.data[c * sell_rows + lane]) * S(x[at]);
  }
  return sum;
}

template <class T>
struct sell_matvec_body {
  sell<T> A;
  const T* x;
  T* y;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(A.n_rows, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, A.n_rows, [&](index_t i) { y[i] = row_product<T>(A, x, i); });
  }
};

template <class T>
struct sell_matvec_dot_body {
  using result = sum_t<T>;
  sell<T> A;
  const T* x;
  T* y;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(A.n_rows, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE result operator()(const Place& at) const {
    result dot = result();
    over_elements(at, A.n_rows, [&](index_t i) {
      const T v = row_product<T>(A, x, i);
      y[i] = v;
      dot += inner(x[i], v);
    });
    return dot;
  }
};

template <class T>
struct sell_residual_body {
  using result = double;
  sell<T> A;
  const T* b;
  const T* x;
  T* r;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(A.n_rows, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE double operator()(const Place& at) const {
    double rr = 0;
    over_elements(at, A.n_rows, [&](index_t i) {
      const T difference = T(sum_t<T>(b[i]) - row_product<sum_t<T>>(A, x, i));
      r[i] = difference;
      rr += squared(difference);
    });
    return rr;
  }
};

PYSOLVE_BODY index_t slices_of(index_t n_rows) { return (n_rows + sell_rows - 1) / sell_rows; }

// Walks a slice diagonal by diagonal in rising order: `offset` is column - row of the slice, `rows` a bit mask of
// the rows that have the diagonal, and next[l] the position of row l's value.
template <class I, class T>
struct slice_walk {
  static constexpr index_t past_end = std::numeric_limits<index_t>::max();
  const csr<I, T>& A;
  index_t next[sell_rows], end[sell_rows], ahead[sell_rows];
  index_t offset = past_end;
  unsigned rows = 0;
  bool is_run = false;

  PYSOLVE_BODY slice_walk(const csr<I, T>& A_, index_t slice) : A(A_) {
    for (int l = 0; l < sell_rows; ++l) {
      const index_t row = slice * sell_rows + l;
      next[l] = row < A.n_rows ? index_t(A.indptr[row]) : 0;
      end[l] = row < A.n_rows ? index_t(A.indptr[row + 1]) : 0;
      ahead[l] = offset_of(l);
    }
  }
  PYSOLVE_BODY index_t offset_of(int l) const {
    return next[l] < end[l] ? index_t(A.indices[next[l]]) - l : past_end;
  }
  PYSOLVE_BODY bool has(int l) const { return rows >> l & 1; }
  // On to the next diagonal; false where there is none.
  PYSOLVE_BODY bool step() {
    for (int l = 0; l < sell_rows; ++l)
      if (has(l)) {
        ++next[l];
        ahead[l] = offset_of(l);
      }
    offset = past_end;
    for (int l = 0; l < sell_rows; ++l) offset = ahead[l] < offset ? ahead[l] : offset;
    rows = 0;
    int count = 0;
    for (int l = 0; l < sell_rows; ++l)
      if (offset != past_end && ahead[l] == offset) {
        rows |= 1u << l;
        ++count;
      }
    is_run = count >= sell_least_run && offset >= 0 && offset + sell_rows <= A.n_cols;
    return count > 0;
  }
};

template <class I, class T>
struct sell_measure_body {
  csr<I, T> A;
  index_t* columns_of;
  index_t* gathered_of;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(slices_of(A.n_rows), block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, slices_of(A.n_rows), [&](index_t s) { measure(s); });
  }
  PYSOLVE_BODY void measure(index_t s) const {
    index_t runs = 0, left[sell_rows] = {}, longest = 0;
    for (slice_walk<I, T> walk(A, s); walk.step();) {
      if (walk.is_run)
        ++runs;
      else
        for (int l = 0; l < sell_rows; ++l) left[l] += walk.has(l);
    }
    for (int l = 0; l < sell_rows; ++l) longest = left[l] > longest ? left[l] : longest;
    columns_of[s] = runs + longest;
    gathered_of[s] = longest;
  }
};

// Runs first, then the gathered columns; a gathered slot without an entry has value 0 and its row's own column.
template <class I, class T>
struct sell_pack_body {
  csr<I, T> A;
  const index_t* slice_ptr;
  const index_t* gather_ptr;
  std::int32_t* column;
  std::int32_t* indices;
  T* data;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(slices_of(A.n_rows), block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, slices_of(A.n_rows), [&](index_t s) {
      clear(s);
      fill(s);
    });
  }
  PYSOLVE_BODY index_t runs_of(index_t s) const {
    return (slice_ptr[s + 1] - slice_ptr[s]) - (gather_ptr[s + 1] - gather_ptr[s]);
  }
  PYSOLVE_BODY void clear(index_t s) const {
    for (index_t k = slice_ptr[s] * sell_rows; k < slice_ptr[s + 1] * sell_rows; ++k) data[k] = T();
    const index_t first = slice_ptr[s] + runs_of(s);
    for (index_t g = gather_ptr[s]; g < gather_ptr[s + 1]; ++g) {
      column[first + (g - gather_ptr[s])] = std::int32_t(-1 - g);
      for (int l = 0; l < sell_rows; ++l) {
        const index_t own = s * sell_rows + l;
        indices[g * sell_rows + l] = std::int32_t(own < A.n_cols ? own : A.n_cols - 1);
      }
    }
  }
  PYSOLVE_BODY void fill(index_t s) const {
    index_t run = slice_ptr[s], left[sell_rows] = {};
    const index_t first_gathered = slice_ptr[s] + runs_of(s);
    for (slice_walk<I, T> walk(A, s); walk.step();) {
      if (walk.is_run) column[run] = std::int32_t(walk.offset);
      for (int l = 0; l < sell_rows; ++l) {
        if (!walk.has(l)) continue;
        const index_t slot = walk.is_run ? run : first_gathered + left[l];
        data[slot * sell_rows + l] = A.data[walk.next[l]];
        if (walk.is_run) continue;
        indices[(gather_ptr[s] + left[l]) * sell_rows + l] = std::int32_t(A.indices[walk.next[l]]);
        ++left[l];
      }
      run += walk.is_run;
    }
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
