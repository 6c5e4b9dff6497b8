// How far the fit is from each entry, and the median of that in each row: what robust losses take their weights from.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "matrix_completion_row.hpp"
#include "matrix_completion_share.hpp"

namespace pysolve::cpu {
namespace {

// r_e = |y_e - u.v_e| for the d entries of a row; infinite where it is not a number.
template <class T>
PYSOLVE_INLINE void row_deviations(const panel::entries<T>& row, const T* u, index_t ld, const T* zeros,
                                   T* r) {
  for (index_t e = 0; e < row.d; e += panel::group) {
    const index_t count = std::min(panel::group, row.d - e), width = panel::padded(count);
    const T* rows[panel::group];
    T q[panel::group];
    for (index_t i = 0; i < width; ++i) {
      rows[i] = i < count ? row.V + index_t(row.indices[e + i]) * ld : zeros;
      if (e + i + panel::ahead < row.left) panel::prefetch_row(row.V, ld, row.indices[e + i + panel::ahead]);
    }
    panel::dots(rows, width, ld, u, q);
    for (index_t i = 0; i < count; ++i) {
      const T far = std::abs(row.values[e + i] - q[i]);
      r[e + i] = far >= 0 ? far : std::numeric_limits<T>::infinity();
    }
  }
}

// The upper median of those that have a weight; 0 where none has. `some` takes them.
template <class T>
T row_median(const T* r, const T* weights, index_t d, T* some) {
  index_t n = 0;
  for (index_t e = 0; e < d; ++e)
    if (!weights || weights[e] > 0) some[n++] = r[e];
  if (n == 0) return 0;
  std::nth_element(some, some + n / 2, some + n);
  return some[n / 2];
}

template <class T>
PYSOLVE_CLONES index_t deviation_rows(const observed<T>& A, const T* V, const T* U, index_t k, T* r,
                                      index_t begin, index_t end, const T* zeros) {
  const index_t ld = completion_stride(k);
  index_t fault = -1;
  for (index_t i = begin; i < end; ++i) {
    const index_t first = A.begin[i], d = A.end[i] - first;
    if (panel::within(A.indices + first, d, A.n_cols)) {
      const panel::entries<T> row{V,
                                  A.indices + first,
                                  A.values + first,
                                  nullptr,
                                  d,
                                  panel::readable<T>(A.n_entries - first, A.n_cols, ld)};
      row_deviations(row, U + i * ld, ld, zeros, r + first);
    } else if (fault < 0) {
      fault = i;
    }
  }
  return fault;
}

}  // namespace

template <class T>
completion_sums matrix_completion_deviations(const observed<T>& A, const T* V, const T* U, index_t k, T* r,
                                             T* medians) {
  const row_extents rows = measure_rows(A, A.n_entries);
  if (rows.fault >= 0) return {0, rows.fault};
  const std::vector<T> zeros(std::size_t(completion_stride(k)));
  const blocks cut(A.n_rows, 4);
  const int threads = threads_for(rows.n_entries * completion_stride(k) * index_t(sizeof(T)), cut);
  std::vector<std::vector<T>> works;
  for (int t = 0; t < threads; ++t) works.emplace_back(std::size_t(rows.longest));
  std::vector<completion_sums> parts(std::size_t(cut.count));
  share_rows(cut, works, [&](index_t b, index_t begin, index_t end, std::vector<T>& some) {
    parts[std::size_t(b)].fault = deviation_rows(A, V, U, k, r, begin, end, zeros.data());
    if (parts[std::size_t(b)].fault >= 0) return;
    for (index_t i = begin; i < end; ++i) {
      const index_t first = A.begin[i];
      medians[i] =
          row_median(r + first, A.weights ? A.weights + first : nullptr, A.end[i] - first, some.data());
    }
  });
  return joined(parts);
}

#define PYSOLVE_INSTANTIATE(T)                                                                               \
  template completion_sums matrix_completion_deviations(const observed<T>&, const T*, const T*, index_t, T*, \
                                                        T*);
PYSOLVE_INSTANTIATE(float)
PYSOLVE_INSTANTIATE(double)

}  // namespace pysolve::cpu
