// What is computed from all entries without a solve: gradient, J^T J, residual.
#include "matrix_completion_share.hpp"
#include "matrix_completion_small.hpp"
#include "matrix_completion_tiled.hpp"

namespace pysolve::cpu {
namespace {

// Entries of a row that are taken together: only their panel needs memory.
constexpr index_t piece = 4096;

template <class T>
PYSOLVE_INLINE panel::entries<T> piece_of(const observed<T>& A, const T* V, index_t k, index_t first,
                                          index_t d) {
  const index_t left = panel::readable<T>(A.n_entries - first, A.n_cols, 2 * completion_stride(k));
  return {V,
          A.indices + first,
          A.values ? A.values + first : nullptr,
          A.weights ? A.weights + first : nullptr,
          d,
          left};
}

template <int K, class T>
PYSOLVE_CLONES completion_sums gradient_rows(const observed<T>& A, const T* V, const T* U, T* out, index_t k,
                                             index_t begin, index_t end, row_work<T>& work) {
  const index_t ld = completion_stride(k);
  completion_sums sums;
  for (index_t i = begin; i < end; ++i) {
    if (!panel::within(A.indices + A.begin[i], A.end[i] - A.begin[i], A.n_cols)) {
      if (sums.fault < 0) sums.fault = i;
      continue;
    }
    T* const g = out + i * ld;
    for (index_t c = 0; c < ld; ++c) g[c] = T();
    for (index_t e = A.begin[i]; e < A.end[i]; e += piece) {
      const panel::entries<T> row = piece_of(A, V, k, e, std::min(piece, A.end[i] - e));
      const T* const u = U ? U + i * ld : work.zeros.get();
      if constexpr (K > 0)
        sums.squares += small::first_pass<K, false>(row, ld, u, nullptr, nullptr, work.sums.get());
      else
        sums.squares += panel::first_pass(row, u, k, false, work);
      for (index_t c = 0; c < ld; ++c) g[c] += work.sums.get()[c];
    }
  }
  return sums;
}

// q[e] <- w_e (q[e] + more[e])
template <class T>
PYSOLVE_INLINE void weighted_sum(const T* more, const T* w, index_t count, T* q) {
  for (index_t e = 0; e < count; ++e) q[e] = w ? w[e] * (q[e] + more[e]) : q[e] + more[e];
  for (index_t e = count; e < panel::padded(count); ++e) q[e] = T();
}

template <int K, class T>
PYSOLVE_INLINE void normal_small(const panel::entries<T>& row, const T* Q, const T* u, const T* p, index_t ld,
                                 T* out) {
  using small::wide;
  wide<T> sums[K] = {};
  for (index_t e = 0; e < row.d; e += small::n_wide<T>) {
    const small::place<T> at(e, row.d);
    wide<T> x[K];
    small::gather<K>(Q, ld, row.indices, row.left, at, x);
    wide<T> q = small::dot<K>(x, u);
    small::gather<K>(row.V, ld, row.indices, row.left, at, x);
    q += small::dot<K>(x, p);
    if (row.weights) q *= small::values_of(row.weights, at);
    for (int c = 0; c < K; ++c) sums[c] += q * x[c];
  }
  small::lane_sums<K>(sums, out);
}

template <class T>
PYSOLVE_INLINE void normal_any(const panel::entries<T>& row, const T* Q, const T* u, const T* p, index_t k,
                               T* out, T* second, row_work<T>& work) {
  const index_t ld = completion_stride(k);
  T* const q = work.products.get();
  std::fill_n(out, ld, T());
  for (index_t e = 0; e < row.d; e += panel::group) {
    const index_t count = std::min(panel::group, row.d - e), width = panel::padded(count);
    const T *rows[panel::group], *others[panel::group];
    for (index_t i = 0; i < width; ++i) {
      const index_t j = i < count ? index_t(row.indices[e + i]) * ld : 0;
      rows[i] = i < count ? row.V + j : work.zeros.get();
      others[i] = i < count ? Q + j : work.zeros.get();
      if (e + i + panel::ahead >= row.left) continue;
      panel::prefetch_row(row.V, ld, row.indices[e + i + panel::ahead]);
      panel::prefetch_row(Q, ld, row.indices[e + i + panel::ahead]);
    }
    panel::dots(others, width, ld, u, second);
    panel::dots(rows, width, ld, p, q);
    weighted_sum(second, row.weights ? row.weights + e : nullptr, count, q);
    panel::axpys<false>(rows, width, ld, q, out, nullptr);
  }
}

template <int K, class T>
PYSOLVE_CLONES completion_sums normal_rows(const observed<T>& A, const T* U, const T* V, const T* P,
                                           const T* Q, T* out, index_t k, double damping, index_t begin,
                                           index_t end, row_work<T>& work) {
  const index_t ld = completion_stride(k);
  alignas(64) T second[panel::group];
  completion_sums sums;
  for (index_t i = begin; i < end; ++i) {
    const index_t d = A.end[i] - A.begin[i];
    if (!panel::within(A.indices + A.begin[i], d, A.n_cols)) {
      if (sums.fault < 0) sums.fault = i;
      continue;
    }
    const panel::entries<T> row = piece_of(A, V, k, A.begin[i], d);
    const T *const u = U + i * ld, *const p = P ? P + i * ld : work.zeros.get();
    T* const o = out + i * ld;
    if constexpr (K > 0)
      normal_small<K>(row, Q, u, p, ld, o);
    else
      normal_any(row, Q, u, p, k, o, second, work);
    lanes<double> s = {};
    for (index_t c = 0; c < ld; c += 8) {
      const lanes<T> here = load(p + c), sum = load(o + c) + T(damping) * here;
      store(o + c, sum);
      s += widen<T>(here) * widen<T>(sum);
    }
    sums.squares += total(s);
  }
  return sums;
}

template <class T>
PYSOLVE_CLONES completion_sums residual_entries(const std::int32_t* rows, const std::int32_t* cols,
                                                const T* values, const T* weights, const T* U, index_t m,
                                                const T* V, index_t n, index_t k, T* r, index_t begin,
                                                index_t end) {
  const index_t ld = completion_stride(k);
  completion_sums sums;
  for (index_t e = begin; e < end; ++e) {
    const index_t i = rows[e], j = cols[e];
    if (i < 0 || i >= m || j < 0 || j >= n) {
      if (sums.fault < 0) sums.fault = e;
      continue;
    }
    lanes<T> s = {};
    for (index_t c = 0; c < ld; c += 8) s += load(U + i * ld + c) * load(V + j * ld + c);
    const T here = values[e] - panel::lane_total<T>(s);
    if (r) r[e] = here;
    sums.squares += (weights ? double(weights[e]) : 1.0) * double(here) * double(here);
  }
  return sums;
}

// f(begin, end, work) over blocks of rows, the sums joined in their order.
template <class T, class F>
completion_sums over_rows(const observed<T>& A, index_t k, index_t arrays, F&& f) {
  const row_extents rows = measure_rows(A, A.n_entries);
  if (rows.fault >= 0) return {0, rows.fault};
  const blocks cut(A.n_rows, 4);
  const int threads = threads_for(rows.n_entries * completion_stride(k) * index_t(sizeof(T)) * arrays, cut);
  std::vector<row_work<T>> works;
  for (int t = 0; t < threads; ++t) works.emplace_back(0, k);
  std::vector<completion_sums> parts(std::size_t(cut.count));
  share_rows(cut, works, [&](index_t b, index_t begin, index_t end, row_work<T>& work) {
    parts[std::size_t(b)] = f(begin, end, work);
  });
  return joined(parts);
}

}  // namespace

template <class T>
completion_sums matrix_completion_gradient(const observed<T>& A, const T* V, const T* U, T* out, index_t k) {
  if (k > small::max_rank) {
    const index_t ld = completion_stride(k);
    const row_extents rows = measure_rows(A, A.n_entries);
    if (rows.fault >= 0) return {0, rows.fault};
    const index_t tile = tile_columns(A.n_rows, A.n_cols, rows.n_entries, ld, sizeof(T));
    const index_t bytes = rows.n_entries * ld * index_t(sizeof(T));
    if (tile > 0) return tiled_gradient(A, V, U, out, ld, tile, n_threads(bytes));
  }
  return small::with_rank(k, [&]<int K>() {
    return over_rows(A, k, 1, [&](index_t begin, index_t end, row_work<T>& work) {
      return gradient_rows<K>(A, V, U, out, k, begin, end, work);
    });
  });
}

template <class T>
completion_sums matrix_completion_normal(const observed<T>& A, const T* U, const T* V, const T* P, const T* Q,
                                         T* out, index_t k, double damping) {
  return small::with_rank(k, [&]<int K>() {
    return over_rows(A, k, 2, [&](index_t begin, index_t end, row_work<T>& work) {
      return normal_rows<K>(A, U, V, P, Q, out, k, damping, begin, end, work);
    });
  });
}

template <class T>
completion_sums matrix_completion_residual(const std::int32_t* rows, const std::int32_t* cols,
                                           const T* values, const T* weights, index_t n_entries, const T* U,
                                           index_t m, const T* V, index_t n, index_t k, T* r) {
  const blocks cut(n_entries, 1024);
  std::vector<completion_sums> parts(std::size_t(cut.count));
  const index_t bytes = n_entries * 2 * completion_stride(k) * index_t(sizeof(T));
  parallel_ranges(cut.count, threads_for(bytes, cut), [&](index_t first, index_t last) {
    for (index_t b = first; b < last; ++b)
      parts[std::size_t(b)] =
          residual_entries(rows, cols, values, weights, U, m, V, n, k, r, cut.begin(b), cut.end(b));
  });
  return joined(parts);
}

#define PYSOLVE_INSTANTIATE(T)                                                                              \
  template completion_sums matrix_completion_gradient(const observed<T>&, const T*, const T*, T*, index_t); \
  template completion_sums matrix_completion_normal(const observed<T>&, const T*, const T*, const T*,       \
                                                    const T*, T*, index_t, double);                         \
  template completion_sums matrix_completion_residual(const std::int32_t*, const std::int32_t*, const T*,   \
                                                      const T*, index_t, const T*, index_t, const T*,       \
                                                      index_t, index_t, T*);
PYSOLVE_INSTANTIATE(float)
PYSOLVE_INSTANTIATE(double)

}  // namespace pysolve::cpu
