#include "matrix_completion.hpp"

#include "matrix_completion_share.hpp"
#include "matrix_completion_steps.hpp"

namespace pysolve::cpu {
namespace {

// Rows whose panel has more values than this are walked in segments, by all threads together.
constexpr index_t panel_limit = 1 << 22;
constexpr index_t segment = 4096;  // entries

template <class T>
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
    T* const u = U + i * how.ld;
    sums.squares += panel::first_pass(row, u, how.k, how.n_cg > 0, work);
    const panel::view P{work.panel.get(), A.weights ? work.weights.get() : nullptr, d, how.k, how.ld};
    const auto product = [&](const float* p, float* s) PYSOLVE_LAMBDA {
      return panel::apply(P, p, s, work.q.get(), work.lanes_of_sums.get());
    };
    const float factor = correct_row(how, work.sums.get(), u, work.vectors.get(), product);
    if (shrunk) shrunk[i] = factor;
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
    const panel::view P{work.panel.get(), row.weights ? work.weights.get() : nullptr, d, k, ld};
    float* const out = work.vectors.get();
    part[ld] = panel::apply(P, p, out, work.q.get(), work.lanes_of_sums.get());
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

}  // namespace

template <class T>
completion_sums matrix_completion_half_step(const observed<T>& A, const T* V, T* U, index_t k,
                                            const double* reg, int n_cg, float* shrunk, double relaxation) {
  const index_t ld = completion_stride(k);
  std::vector<double> padded_reg(std::size_t(reg ? ld : 0));
  if (reg) std::copy_n(reg, k, padded_reg.data());
  const row_steps<T> how{k, ld, reg ? padded_reg.data() : nullptr, n_cg, relaxation};
  const index_t limit = panel_limit / how.ld;
  const row_extents rows = measure_rows(A, limit);
  if (rows.fault >= 0) return {0, rows.fault};
  const index_t bytes_per_entry = how.ld * index_t(sizeof(T)) * (1 + n_cg);
  const blocks cut(A.n_rows, 4);
  const int threads = threads_for(rows.n_entries * bytes_per_entry, cut);
  std::vector<row_work<T>> works;
  for (int t = 0; t < threads; ++t) works.emplace_back(rows.longest, k);
  std::vector<completion_sums> parts(std::size_t(cut.count));
  share_rows(cut, works, [&](index_t b, index_t begin, index_t end, row_work<T>& work) {
    parts[std::size_t(b)] = half_rows(A, V, U, how, shrunk, begin, end, limit, work);
  });
  parts.push_back(
      half_long_rows(A, V, U, how, shrunk, rows.beyond, n_threads(A.n_entries * bytes_per_entry)));
  return joined(parts);
}

#define PYSOLVE_INSTANTIATE(T)                                                                    \
  template completion_sums matrix_completion_half_step(const observed<T>&, const T*, T*, index_t, \
                                                       const double*, int, float*, double);
PYSOLVE_INSTANTIATE(float)
PYSOLVE_INSTANTIATE(double)

}  // namespace pysolve::cpu
