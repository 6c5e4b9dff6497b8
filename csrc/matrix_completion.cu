// CUDA kernels of matrix_completion; their bodies and launch shapes are in matrix_completion_*body.hpp.
//
// A half step moves N (4 + sizeof T (1 or 2)) bytes of entries and N ld (sizeof T + 4 n_cg) of gathered rows of V, from L2
// where V fits there (50 MB on an H200) and from memory else, and does N k (4 + 4 n_cg - 2) flops: the gathers are the
// limit. 1e8 entries at k = 64 in double with two steps: 103 GB, 25 ms at 4 TB/s.
#include "cuda.cuh"
#include "matrix_completion_launch.hpp"
#include "matrix_completion_medians_body.hpp"
#include "matrix_completion_sketch_body.hpp"

namespace pysolve::cuda {

index_t matrix_completion_sort(const std::int32_t* keys, index_t n_entries, index_t n_keys,
                               const std::int32_t* others, const double* values, const double* weights,
                               index_t* begin, std::int32_t* sorted_others, double* sorted_values,
                               double* sorted_weights) {
  const char* const name = "matrix_completion_sort";
  queue q(name);
  const first_fault fault = q.sum(check_keys_body{keys, n_entries, n_keys});
  if (fault.entry != first_fault::none()) return fault.entry;
  const index_t counters = radix * runs_of(n_entries);
  const scratch<std::int32_t> sorted(2 * n_entries + 1, name);
  const scratch<index_t> from(2 * n_entries + 1, name), counts(counters + 1, name);
  const std::int32_t* now = keys;
  const index_t* now_from = nullptr;
  int round = 0;
  for (int shift = 0; n_entries > 0 && (shift == 0 || (n_keys - 1) >> shift > 0); shift += radix_bits) {
    std::int32_t* const next = sorted.data() + round * n_entries;
    index_t* const next_from = from.data() + round * n_entries;
    q.run(count_digits_body{now, n_entries, shift, counts.data()});
    run_sums<scratch>(q, counts.data(), counters, name);
    q.run(move_digits_body{now, now_from, n_entries, shift, counts.data(), next, next_from});
    now = next, now_from = next_from, round = 1 - round;
  }
  q.run(follow_keys_body{now, now_from, n_entries, n_keys, others, values, weights, begin, sorted_others,
                         sorted_values, sorted_weights});
  return -1;
}

template <class T>
completion_sums matrix_completion_half_step(const observed<T>& A, const T* V, T* U, index_t k,
                                            const double* reg, int n_cg, float* shrunk, double relaxation,
                                            bool foreseen) {
  const char* const name = "matrix_completion_half_step";
  queue q(name);
  const row_steps how{k, completion_stride(k), reg, n_cg, relaxation, shrunk != nullptr, foreseen};
  check_aligned(V, "V");
  const bool copied = sizeof(T) > sizeof(float) && n_cg > 0;
  const scratch<float> copy(copied ? A.n_cols * how.ld : 1, name);
  if (copied) q.run(narrow_body<T>{V, A.n_cols * how.ld, copy.data()});
  const float* const narrow_V = copied ? copy.data() : reinterpret_cast<const float*>(V);
  return with_team(how.ld, [&]<class Team>() {
    const index_t wanted = memory_of_warps<Team>(A.n_rows, how.ld);
    const scratch<double> memory(wanted + 1, name);
    const half_step_body<T, Team> rows{A, V, narrow_V, U, how, shrunk, whole_rows(A, how.ld), memory.data()};
    if constexpr (is_narrow<Team>) {
      const cuts<scratch, T> cut(q, A, name);
      if (cut.rows > 0) return half_long_rows<Team, scratch>(q, rows, cut, name);
    }
    return sums_of(q.sum(rows));
  });
}

template <class T>
completion_sums matrix_completion_sketched_step(const observed<T>& A, const T* V, T* U, index_t k,
                                                const double* reg, int n_cg, const index_t* chosen,
                                                index_t n_chosen, completion_sketch kind, index_t n_sketch,
                                                std::uint64_t seed, float* shrunk) {
  const char* const name = "matrix_completion_sketched_step";
  queue q(name);
  const index_t ld = completion_stride(k);
  check_aligned(V, "V");
  const completion_share extents = q.sum(check_rows_body<T>{A});
  if (extents.fault != completion_share::none()) return {0, extents.fault};
  const chosen_report report = q.sum(check_chosen_body<T>{A, chosen, n_chosen});
  if (report.position < n_chosen) return {0, report.row};
  index_t mixed = kind == completion_sketch::srht ? 1 : 0;
  while (mixed > 0 && mixed < report.longest) mixed *= 2;
  const sketch_settings how{kind, n_sketch, mixed, seed};
  return with_team(ld, [&]<class Team>() {
    using body = sketched_step_body<T, Team>;
    const index_t each = body::doubles(k, ld, how), blocks = blocks_within(n_chosen, each);
    const scratch<double> work(blocks * each, name);
    const scratch<double> memory(blocks * (block_threads / warp_threads) * Team::memory(ld) + 1, name);
    return sums_of(q.sum(
        body{A, V, U, k, ld, reg, n_cg, chosen, n_chosen, how, shrunk, blocks, work.data(), memory.data()}));
  });
}

template <class T>
completion_sums matrix_completion_nonneg_step(const observed<T>& A, const T* V, T* U, index_t k,
                                              const double* reg, int n_sweeps) {
  const char* const name = "matrix_completion_nonneg_step";
  queue q(name);
  const index_t ld = completion_stride(k);
  const completion_share extents = q.sum(check_rows_body<T>{A});
  if (extents.fault != completion_share::none()) return {0, extents.fault};
  q.run(clipped_copy_body<T>{U, A.n_rows * ld, U, true});
  const scratch<T> g(A.n_rows * ld + 1, name);
  const completion_sums sums = over_rows<scratch>(q, gradient_task<T>{A, V, U, g.data(), ld}, name);
  if (sums.fault >= 0 || n_sweeps == 0) return sums;
  const index_t slab = rows_of_slab<T>(A.n_rows, k * ld);
  const scratch<T> H(slab * k * ld + 1, name);
  with_team(ld, [&]<class Team>() {
    const scratch<double> memory(memory_of_warps<Team>(slab, ld) + 1, name);
    for (index_t first = 0; first < A.n_rows; first += slab) {
      const index_t count = std::min(slab, A.n_rows - first);
      q.run(accumulate_body<T>{A, V, k, ld, first, count, 0, H.data()});
      q.run(
          descend_body<T, Team>{A, H.data(), g.data(), U, k, ld, first, count, reg, n_sweeps, memory.data()});
    }
  });
  return sums;
}

template <class T>
completion_sums matrix_completion_gradient(const observed<T>& A, const T* V, const T* U, T* out, index_t k) {
  queue q("matrix_completion_gradient");
  return over_rows<scratch>(q, gradient_task<T>{A, V, U, out, completion_stride(k)},
                            "matrix_completion_gradient");
}

template <class T>
completion_sums matrix_completion_normal(const observed<T>& A, const T* U, const T* V, const T* P, const T* Q,
                                         T* out, index_t k, double damping) {
  queue q("matrix_completion_normal");
  check_aligned(Q, "Q");
  return over_rows<scratch>(q, normal_task<T>{A, U, V, P, Q, out, completion_stride(k), damping},
                            "matrix_completion_normal");
}

template <class T>
completion_sums matrix_completion_blocks(const observed<T>& A, const T* V, index_t k, double damping, T* H) {
  const char* const name = "matrix_completion_blocks";
  queue q(name);
  const index_t ld = completion_stride(k);
  check_aligned(V, "V");
  const completion_sums sums = sums_of(q.sum(accumulate_body<T>{A, V, k, ld, 0, A.n_rows, damping, H}));
  if (sums.fault >= 0) return sums;
  const invert_body<T> invert{H, A.n_rows, k, ld, nullptr};
  const scratch<T> work(invert.n_blocks() * invert.memory(ld), name);
  q.run(invert_body<T>{H, A.n_rows, k, ld, work.data()});
  return sums;
}

template <class T>
void matrix_completion_apply_blocks(const T* H, T* X, index_t n, index_t k, double factor) {
  const char* const name = "matrix_completion_apply_blocks";
  queue q(name);
  const index_t ld = completion_stride(k), slab = rows_of_slab<T>(n, ld);
  check_aligned(H, "H");
  const scratch<T> out(slab * ld + 1, name);
  for (index_t first = 0; first < n; first += slab) {
    const index_t count = std::min(slab, n - first);
    q.run(apply_body<T>{H + first * k * ld, X + first * ld, count, k, ld, T(factor), out.data()});
    q.run(clipped_copy_body<T>{out.data(), count * ld, X + first * ld, false});
  }
}

template <class T>
completion_sums matrix_completion_residual(const std::int32_t* rows, const std::int32_t* cols,
                                           const T* values, const T* weights, index_t n_entries, const T* U,
                                           index_t m, const T* V, index_t n, index_t k, T* r) {
  check_aligned(U, "U"), check_aligned(V, "V");
  return sums_of(queue("matrix_completion_residual")
                     .sum(entries_residual_body<T>{rows, cols, values, weights, n_entries, U, m, V, n,
                                                   completion_stride(k), r}));
}

template <class T>
completion_sums matrix_completion_deviations(const observed<T>& A, const T* V, const T* U, index_t k, T* r,
                                             T* medians) {
  queue q("matrix_completion_deviations");
  const completion_sums sums = over_rows<scratch>(q, deviations_task<T>{A, V, U, r, completion_stride(k)},
                                                  "matrix_completion_deviations");
  if (sums.fault < 0) q.run(medians_body<T>{A, r, medians});
  return sums;
}

template <class T>
void matrix_completion_gram(const T* V, index_t n, index_t k, double* G) {
  const char* const name = "matrix_completion_gram";
  queue q(name);
  const index_t ld = completion_stride(k);
  check_aligned(V, "V");
  const scratch<double> parts(slabs_of(n, ld) * lower_tile::count(ld) * 16, name);
  q.run(gram_slabs_body<T>{V, n, ld, parts.data()});
  q.run(gram_total_body{parts.data(), n, ld, k, G});
}

template <class T>
index_t matrix_completion_transform(T* V, index_t n, index_t k, const double* R, double limit) {
  const char* const name = "matrix_completion_transform";
  queue q(name);
  const index_t ld = completion_stride(k), slab = rows_of_slab<T>(n, ld);
  check_aligned(V, "V");
  const scratch<T> out(slab * ld + 1, name), padded(ld * ld, name);
  q.run(pad_body<T>{R, k, ld, padded.data()});
  index_t clipped = 0;
  for (index_t first = 0; first < n; first += slab) {
    const index_t count = std::min(slab, n - first);
    q.run(times_body<T>{V + first * ld, padded.data(), count, ld, out.data()});
    const clip_body<T> clip{out.data(), count, ld, limit, V + first * ld};
    if (limit > 0)
      clipped += q.sum(clip);
    else
      q.run(clip);  // which nobody waits for
  }
  return clipped;
}

#define PYSOLVE_INSTANTIATE(T)                                                                               \
  template completion_sums matrix_completion_half_step(const observed<T>&, const T*, T*, index_t,            \
                                                       const double*, int, float*, double, bool);            \
  template completion_sums matrix_completion_sketched_step(                                                  \
      const observed<T>&, const T*, T*, index_t, const double*, int, const index_t*, index_t,                \
      completion_sketch, index_t, std::uint64_t, float*);                                                    \
  template completion_sums matrix_completion_nonneg_step(const observed<T>&, const T*, T*, index_t,          \
                                                         const double*, int);                                \
  template completion_sums matrix_completion_gradient(const observed<T>&, const T*, const T*, T*, index_t);  \
  template completion_sums matrix_completion_normal(const observed<T>&, const T*, const T*, const T*,        \
                                                    const T*, T*, index_t, double);                          \
  template completion_sums matrix_completion_blocks(const observed<T>&, const T*, index_t, double, T*);      \
  template void matrix_completion_apply_blocks(const T*, T*, index_t, index_t, double);                      \
  template completion_sums matrix_completion_residual(const std::int32_t*, const std::int32_t*, const T*,    \
                                                      const T*, index_t, const T*, index_t, const T*,        \
                                                      index_t, index_t, T*);                                 \
  template completion_sums matrix_completion_deviations(const observed<T>&, const T*, const T*, index_t, T*, \
                                                        T*);                                                 \
  template void matrix_completion_gram(const T*, index_t, index_t, double*);                                 \
  template index_t matrix_completion_transform(T*, index_t, index_t, const double*, double);
PYSOLVE_INSTANTIATE(float)
PYSOLVE_INSTANTIATE(double)
#undef PYSOLVE_INSTANTIATE

}  // namespace pysolve::cuda
