#include "matrix_completion.hpp"

#include "matrix_completion_share.hpp"
#include "matrix_completion_small.hpp"
#include "matrix_completion_steps.hpp"
#include "matrix_completion_tiled.hpp"

namespace pysolve::cpu {
namespace {

// Rows whose panel has more values than this are walked in segments, by all threads together.
constexpr index_t panel_limit = 1 << 22;
constexpr index_t segment = 4096;  // entries

// The steps of one row; K: its rank, or 0 for any. Returns the sum of squares before.
template <int K, class T>
PYSOLVE_INLINE double row_step(const panel::entries<T>& row, const row_steps<T>& how, T* u, float* shrunk,
                               row_work<T>& work) {
  float *const panel = work.panel.get(), *const weights = row.weights ? work.weights.get() : nullptr;
  T* const sums = work.sums.get();
  double squares;
  float factor;
  if constexpr (K > 0) {
    squares = small::first_pass<K, true>(row, how.ld, u, panel, weights, sums);
    const auto product = [&](const float* p, float* s) PYSOLVE_LAMBDA {
      return s ? small::product<K, true>(panel, weights, row.d, p, s)
               : small::product<K, false>(panel, weights, row.d, p, s);
    };
    factor = correct_row(how, sums, u, work.vectors.get(), product);
  } else {
    panel::keep_weights(row, work);
    squares = panel::first_pass(row, u, how.k, how.n_cg > 0, work);
    const panel::view P{panel, weights, row.d, how.ld};
    const auto product = [&](const float* p, float* s)
                             PYSOLVE_LAMBDA { return panel::apply(P, p, s, work.q.get()); };
    factor = correct_row(how, sums, u, work.vectors.get(), product);
  }
  if (shrunk) *shrunk = factor;
  return squares;
}

template <int K, class T>
PYSOLVE_CLONES completion_sums half_rows(const observed<T>& A, const T* V, T* U, const row_steps<T>& how,
                                         float* shrunk, index_t begin, index_t end, index_t limit,
                                         row_work<T>& work) {
  completion_sums sums;
  for (index_t i = begin; i < end; ++i) {
    const index_t first = A.begin[i], d = A.end[i] - first;
    if (d > limit) continue;
    if (!panel::within(A.indices + first, d, A.n_cols)) {
      if (sums.fault < 0) sums.fault = i;
      continue;
    }
    const panel::entries<T> row{V,
                                A.indices + first,
                                A.values + first,
                                A.weights ? A.weights + first : nullptr,
                                d,
                                panel::readable<T>(A.n_entries - first, A.n_cols, how.ld)};
    sums.squares += row_step<K>(row, how, U + i * how.ld, shrunk ? shrunk + i : nullptr, work);
  }
  return sums;
}

// ---- rows of very many entries ------------------------------------------------------------------------------

// Segments [begin, end) of a row: where p is null, the first pass, else the product with p. parts has ld values and a
// sum for each.
template <class T>
PYSOLVE_CLONES bool row_segments(const panel::entries<T>& row, index_t n_cols, index_t k, const T* u,
                                 const float* p, index_t begin, index_t end, double* parts,
                                 row_work<T>& work) {
  const index_t ld = completion_stride(k);
  for (index_t s = begin; s < end; ++s) {
    const index_t first = s * segment, d = std::min(segment, row.d - first);
    const panel::entries<T> here{
        row.V, row.indices + first, row.values + first, row.weights ? row.weights + first : nullptr,
        d,     row.left - first};
    if (!panel::within(here.indices, d, n_cols)) return false;
    double* const part = parts + s * (ld + 1);
    part[ld] = panel::first_pass(here, u, k, p != nullptr, work);
    for (index_t c = 0; c < ld; ++c) part[c] = double(work.sums.get()[c]);
    if (!p) continue;
    panel::keep_weights(here, work);
    const panel::view P{work.panel.get(), row.weights ? work.weights.get() : nullptr, d, ld};
    float* const out = work.vectors.get();
    part[ld] = panel::apply(P, p, out, work.q.get());
    for (index_t c = 0; c < ld; ++c) part[c] = double(out[c]);
  }
  return true;
}

template <class T>
struct long_row {
  panel::entries<T> row;
  index_t n_cols, k, ld;
  int threads;
  std::vector<row_work<T>>& works;
  std::vector<double> parts;
  bool good = true;

  // Sums over all segments, in their order.
  template <class S>
  double pass(const T* u, const float* p, S* s) {
    const index_t count = (row.d + segment - 1) / segment;
    parts.resize(std::size_t(count * (ld + 1)));
    std::atomic<bool> all{true};
    parallel_team(threads, [&](int thread, int team) {
      if (!row_segments(row, n_cols, k, u, p, first_block(count, thread, team),
                        first_block(count, thread + 1, team), parts.data(), works[std::size_t(thread)]))
        all = false;
    });
    good = good && all;
    std::vector<double> sum(std::size_t(ld + 1));
    for (index_t i = 0; i < count; ++i)
      for (index_t c = 0; c <= ld; ++c) sum[std::size_t(c)] += parts[std::size_t(i * (ld + 1) + c)];
    for (index_t c = 0; s && c < ld; ++c) s[c] = S(sum[std::size_t(c)]);
    return sum[std::size_t(ld)];
  }
};

template <class T>
completion_sums half_long_rows(const observed<T>& A, const T* V, T* U, const row_steps<T>& how, float* shrunk,
                               const std::vector<index_t>& chosen, int threads) {
  completion_sums sums;
  std::vector<row_work<T>> works;
  for (int t = 0; t < threads && !chosen.empty(); ++t) works.emplace_back(segment, how.k);
  for (const index_t i : chosen) {
    const index_t first = A.begin[i];
    long_row<T> pass{{V, A.indices + first, A.values + first, A.weights ? A.weights + first : nullptr,
                      A.end[i] - first, A.n_entries - first},
                     A.n_cols,
                     how.k,
                     how.ld,
                     threads,
                     works,
                     {}};
    std::vector<T> gradient(std::size_t(how.ld));
    std::vector<float> vectors(std::size_t(4 * how.ld));
    T* const u = U + i * how.ld;
    const double squares = pass.pass(u, nullptr, gradient.data());
    if (!pass.good) {
      if (sums.fault < 0) sums.fault = i;
      continue;
    }
    sums.squares += squares;
    const float factor = correct_row(how, gradient.data(), u, vectors.data(),
                                     [&](const float* p, float* s) { return pass.pass(u, p, s); });
    if (shrunk) shrunk[i] = factor;
  }
  return sums;
}

// Rows of at most `limit` entries, each with its panel.
template <class T>
std::vector<completion_sums> panel_half_step(const observed<T>& A, const T* V, T* U, const row_steps<T>& how,
                                             float* shrunk, index_t limit, index_t longest, index_t bytes) {
  const blocks cut(A.n_rows, 4);
  std::vector<row_work<T>> works;
  for (int t = 0; t < threads_for(bytes, cut); ++t) works.emplace_back(longest, how.k);
  std::vector<completion_sums> parts(std::size_t(cut.count));
  small::with_rank(how.k, [&]<int K>() {
    share_rows(cut, works, [&](index_t b, index_t begin, index_t end, row_work<T>& work) {
      parts[std::size_t(b)] = half_rows<K>(A, V, U, how, shrunk, begin, end, limit, work);
    });
  });
  return parts;
}

}  // namespace

template <class T>
completion_sums matrix_completion_half_step(const observed<T>& A, const T* V, T* U, index_t k,
                                            const double* reg, int n_cg, float* shrunk, double relaxation,
                                            bool foreseen) {
  const index_t ld = completion_stride(k);
  std::vector<double> padded_reg(std::size_t(reg ? ld : 0));
  if (reg) std::copy_n(reg, k, padded_reg.data());
  const row_steps<T> how{k,       ld, reg ? padded_reg.data() : nullptr, n_cg, relaxation, shrunk != nullptr,
                         foreseen};
  const index_t limit = panel_limit / how.ld;
  const row_extents rows = measure_rows(A, limit);
  if (rows.fault >= 0) return {0, rows.fault};
  const index_t bytes_per_entry = how.ld * index_t(sizeof(T)) * (1 + n_cg);
  const index_t bytes = rows.n_entries * bytes_per_entry;
  const index_t tile =
      k <= small::max_rank ? 0 : tile_columns(A.n_rows, A.n_cols, rows.n_entries, ld, sizeof(T));
  std::vector<completion_sums> parts;
  if (tile > 0)
    parts.push_back(tiled_half_step(A, V, U, how, shrunk, limit, tile, n_threads(bytes)));
  else
    parts = panel_half_step(A, V, U, how, shrunk, limit, rows.longest, bytes);
  parts.push_back(
      half_long_rows(A, V, U, how, shrunk, rows.beyond, n_threads(A.n_entries * bytes_per_entry)));
  return joined(parts);
}

#define PYSOLVE_INSTANTIATE(T)                                                                    \
  template completion_sums matrix_completion_half_step(const observed<T>&, const T*, T*, index_t, \
                                                       const double*, int, float*, double, bool);
PYSOLVE_INSTANTIATE(float)
PYSOLVE_INSTANTIATE(double)

}  // namespace pysolve::cpu
