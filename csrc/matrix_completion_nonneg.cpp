// Non-negative rows by coordinate descent: each component in turn takes the non-negative value that is best while the
// others stand, and the row's residual is kept up to date.
#include <cmath>
#include <vector>

#include "matrix_completion_across.hpp"
#include "matrix_completion_row.hpp"
#include "matrix_completion_share.hpp"

namespace pysolve::cpu {
namespace {

template <class T>
struct nonneg_work {
  scratch<T> panel, residual, weights, curvature, zeros;
  nonneg_work(index_t d, index_t k)
      : panel(panel::padded(d) * completion_stride(k)),
        residual(panel::padded(d)),
        weights(panel::padded(d)),
        curvature(completion_stride(k)),
        zeros(completion_stride(k)) {
    std::fill_n(zeros.get(), completion_stride(k), T());
  }
};

// A row's panel in transposed blocks (panel::block entries each), its weighted residual s = W (y - V_i u) and weights.
template <class T>
struct nonneg_row {
  const T* panel;
  T* s;
  const T* weights;  // null: all 1
  index_t d, k;
};

// Gathers the panel of a row, sets s and the curvature H_c = sum_e w_e v_ec^2; returns sum_e w_e (y_e - u.v_e)^2.
template <class T>
PYSOLVE_INLINE double gather_row(const panel::entries<T>& row, const T* u, index_t k, nonneg_work<T>& work) {
  const index_t ld = completion_stride(k);
  T *const s = work.residual.get(), *const w = work.weights.get(), *const H = work.curvature.get();
  std::fill_n(H, ld, T());
  double squares = 0;
  for (index_t e = 0; e < row.d; e += panel::block) {
    const index_t count = std::min(panel::block, row.d - e), width = panel::padded(count);
    T* const block = work.panel.get() + e * k;
    panel::gather_transposed(row.V, ld, row.indices + e, count, row.left - e, k, work.zeros.get(), block);
    panel::dots_across(block, width, k, u, s + e);
    squares += panel::residuals(row.values + e, row.weights ? row.weights + e : nullptr, count, s + e);
    for (index_t i = 0; row.weights && i < width; ++i) w[e + i] = i < count ? row.weights[e + i] : T();
    for (index_t c = 0; c < k; ++c) {
      lanes<T> sum = {};
      for (index_t i = 0; i < width; i += 8) {
        const lanes<T> v = load(block + c * width + i);
        sum += row.weights ? v * v * load(w + e + i) : v * v;
      }
      H[c] += panel::lane_total<T>(sum);
    }
  }
  return squares;
}

// s -= step W v_b, then returns v_c.s: the step of the component before and the gradient of this one in one pass.
template <class T>
PYSOLVE_INLINE T step_and_gradient(const nonneg_row<T>& row, index_t b, T step, index_t c) {
  lanes<T> sum = {};
  for (index_t e = 0; e < row.d; e += panel::block) {
    const index_t width = panel::padded(std::min(panel::block, row.d - e));
    const T *const block = row.panel + e * row.k, *const before = block + b * width,
                   *const here = block + c * width;
    T* const s = row.s + e;
    if (step == 0) {
      for (index_t i = 0; i < width; i += 8) sum += load(s + i) * load(here + i);
    } else if (row.weights) {
      for (index_t i = 0; i < width; i += 8) {
        const lanes<T> left = load(s + i) - step * load(row.weights + e + i) * load(before + i);
        store(s + i, left);
        sum += left * load(here + i);
      }
    } else {
      for (index_t i = 0; i < width; i += 8) {
        const lanes<T> left = load(s + i) - step * load(before + i);
        store(s + i, left);
        sum += left * load(here + i);
      }
    }
  }
  return panel::lane_total<T>(sum);
}

template <class T>
PYSOLVE_INLINE void descend(const nonneg_row<T>& row, const T* H, const double* reg, int n_sweeps, T* u) {
  index_t before = 0;
  T step = 0;
  for (int sweep = 0; sweep < n_sweeps; ++sweep)
    for (index_t c = 0; c < row.k; ++c) {
      const T more = reg ? T(reg[c]) : T(), curvature = H[c] + more;
      const T gradient = step_and_gradient(row, before, step, c) - more * u[c];
      const T wanted = u[c] + gradient / curvature, best = wanted > 0 ? wanted : T();
      before = c;
      step = curvature > 0 && std::isfinite(wanted) ? best - u[c] : T();
      u[c] += step;
    }
}

template <class T>
PYSOLVE_CLONES completion_sums nonneg_rows(const observed<T>& A, const T* V, T* U, index_t k,
                                           const double* reg, int n_sweeps, index_t begin, index_t end,
                                           nonneg_work<T>& work) {
  const index_t ld = completion_stride(k);
  completion_sums sums;
  for (index_t i = begin; i < end; ++i) {
    const index_t first = A.begin[i], d = A.end[i] - first;
    if (!panel::within(A.indices + first, d, A.n_cols)) {
      if (sums.fault < 0) sums.fault = i;
      continue;
    }
    const T* const w = A.weights ? A.weights + first : nullptr;
    const panel::entries<T> row{
        V, A.indices + first, A.values + first, w, d, panel::readable<T>(A.n_entries - first, A.n_cols, ld)};
    T* const u = U + i * ld;
    for (index_t c = 0; c < k; ++c) u[c] = u[c] > 0 ? u[c] : T();
    sums.squares += gather_row(row, u, k, work);
    const nonneg_row<T> gathered{work.panel.get(), work.residual.get(), w ? work.weights.get() : nullptr, d,
                                 k};
    descend(gathered, work.curvature.get(), reg, n_sweeps, u);
  }
  return sums;
}

}  // namespace

template <class T>
completion_sums matrix_completion_nonneg_step(const observed<T>& A, const T* V, T* U, index_t k,
                                              const double* reg, int n_sweeps) {
  const row_extents rows = measure_rows(A, A.n_entries);
  if (rows.fault >= 0) return {0, rows.fault};
  const index_t bytes_per_entry = completion_stride(k) * index_t(sizeof(T)) * (1 + n_sweeps);
  const blocks cut(A.n_rows, 4);
  const int threads = threads_for(rows.n_entries * bytes_per_entry, cut);
  std::vector<nonneg_work<T>> works;
  for (int t = 0; t < threads; ++t) works.emplace_back(rows.longest, k);
  std::vector<completion_sums> parts(std::size_t(cut.count));
  share_rows(cut, works, [&](index_t b, index_t begin, index_t end, nonneg_work<T>& work) {
    parts[std::size_t(b)] = nonneg_rows(A, V, U, k, reg, n_sweeps, begin, end, work);
  });
  return joined(parts);
}

#define PYSOLVE_INSTANTIATE(T)                                                                      \
  template completion_sums matrix_completion_nonneg_step(const observed<T>&, const T*, T*, index_t, \
                                                         const double*, int);
PYSOLVE_INSTANTIATE(float)
PYSOLVE_INSTANTIATE(double)

}  // namespace pysolve::cpu
