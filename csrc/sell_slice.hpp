// One slice of a packed matrix times a vector: shared by sell.cpp and the solvers that run compiled.
#pragma once
#include "sell.hpp"
#include "simd.hpp"

namespace pysolve::cpu {

// acc[l] = sum_c data[c, l] x[column of (c, l)] for the 8 rows of slice s, real values in one vector register.
template <class T>
PYSOLVE_INLINE void slice_times(const sell<T>& A, const T* x, index_t s, T* acc) {
  if constexpr (std::is_same_v<T, real_t<T>>) {
    lanes<T> sum0 = {}, sum1 = {};
    const index_t end = A.slice_ptr[s + 1];
    for (index_t c = A.slice_ptr[s]; c < end; ++c) {
      const std::int32_t j = A.column[c];
      lanes<T> at;
      if (j >= 0) {
        at = load(x + j);
      } else {
        const std::int32_t* i = A.indices + index_t(-1 - j) * sell_rows;
        at = lanes<T>{x[i[0]], x[i[1]], x[i[2]], x[i[3]], x[i[4]], x[i[5]], x[i[6]], x[i[7]]};
      }
      sum1 = load(A.data + c * sell_rows) * at + sum1;
      const lanes<T> swap = sum0;
      sum0 = sum1;
      sum1 = swap;
    }
    store(acc, sum0 + sum1);
  } else {
    for (int l = 0; l < sell_rows; ++l) acc[l] = T();
    for (index_t c = A.slice_ptr[s]; c < A.slice_ptr[s + 1]; ++c) {
      const std::int32_t j = A.column[c];
      const std::int32_t* i = j >= 0 ? nullptr : A.indices + index_t(-1 - j) * sell_rows;
      for (int l = 0; l < sell_rows; ++l) acc[l] += A.data[c * sell_rows + l] * (j >= 0 ? x[j + l] : x[i[l]]);
    }
  }
}

template <class T>
index_t bytes_of(const sell<T>& A) {
  return A.n_slices ? A.slice_ptr[A.n_slices] * index_t(sell_rows * sizeof(T)) : 0;
}

PYSOLVE_INLINE int rows_in_slice(index_t n_rows, index_t s) {
  const index_t rows = n_rows - s * sell_rows;
  return rows < sell_rows ? int(rows) : sell_rows;
}

template <class T>
PYSOLVE_INLINE void slice_matvec(const sell<T>& A, const T* x, T* y, index_t s) {
  T acc[sell_rows];
  slice_times(A, x, s, acc);
  const int rows = rows_in_slice(A.n_rows, s);
  if (rows == sell_rows)
    std::memcpy(y + s * sell_rows, acc, sizeof acc);
  else
    for (int l = 0; l < rows; ++l) y[s * sell_rows + l] = acc[l];
}

template <class T>
PYSOLVE_INLINE void slice_matvec_dot(const sell<T>& A, const T* x, T* y, index_t s, lane_sum<T>& dot) {
  T acc[sell_rows];
  slice_times(A, x, s, acc);
  const int rows = rows_in_slice(A.n_rows, s);
  const index_t first = s * sell_rows;
  if constexpr (is_real<T>)
    if (rows == sell_rows) {
      store(y + first, load(acc));
      dot.add(load(x + first), load(acc));
      return;
    }
  for (int l = 0; l < rows; ++l) {
    y[first + l] = acc[l];
    dot.add(x[first + l], acc[l]);
  }
}

}  // namespace pysolve::cpu
