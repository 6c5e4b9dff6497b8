// Runs of conjugate gradients on stored matrices: csr and sell.
#include "conjugate_directions_run.hpp"
#include "csr_row.hpp"
#include "instantiate.hpp"
#include "sell_slice.hpp"

namespace pysolve::cpu {
namespace {

// p = M r + beta p on [begin, end); returns p^H p.
template <class T>
PYSOLVE_CLONES double range_direction(const T* r, const real_t<T>* d, T* p, real_t<T> beta, index_t begin,
                                      index_t end) {
  lane_sum<T> pp;
  index_t i = begin;
  if constexpr (is_real<T>)
    for (; i + n_lanes <= end; i += n_lanes) {
      const lanes<T> z = d ? load(d + i) * load(r + i) : load(r + i);
      const lanes<T> v = z + beta * load(p + i);
      store(p + i, v);
      pp.add(v, v);
    }
  for (; i < end; ++i) {
    p[i] = (d ? d[i] * r[i] : r[i]) + beta * p[i];
    pp.add(p[i], p[i]);
  }
  return std::real(pp.total());
}

// x += step.p p + step.z M r where `moves`, then r -= alpha q on [begin, end); returns r^H r and r^H M r.
template <bool moves, class T>
PYSOLVE_CLONES pair_sum range_update(T* x, T* r, const T* p, const T* q, const real_t<T>* d, real_t<T> alpha,
                                     x_step step, index_t begin, index_t end) {
  const real_t<T> along_p = real_t<T>(step.p), along_z = real_t<T>(step.z);
  lane_sum<T> rr, rz;
  index_t i = begin;
  if constexpr (is_real<T>)
    for (; i + n_lanes <= end; i += n_lanes) {
      const lanes<T> old = load(r + i), v = old - alpha * load(q + i);
      if constexpr (moves)
        store(x + i, load(x + i) + along_p * load(p + i) + along_z * (d ? load(d + i) * old : old));
      store(r + i, v);
      rr.add(v, v);
      if (d) rz.add(v, load(d + i) * v);
    }
  for (; i < end; ++i) {
    if constexpr (moves) x[i] += along_p * p[i] + along_z * (d ? d[i] * r[i] : r[i]);
    r[i] -= alpha * q[i];
    rr.add(r[i], r[i]);
    if (d) rz.add(r[i], d[i] * r[i]);
  }
  const double norm2 = std::real(rr.total());
  return {norm2, d ? std::real(rz.total()) : norm2};
}

template <class I, class T>
PYSOLVE_CLONES double csr_product(const csr<I, T>& A, const T* p, T* q, index_t begin, index_t end) {
  double pq = 0;
  for (index_t i = begin; i < end; ++i) {
    q[i] = row_times<T>(A.indices, A.data, p, A.indptr[i], A.indptr[i + 1]);
    pq += std::real(inner(p[i], q[i]));
  }
  return pq;
}

template <class T>
PYSOLVE_CLONES double sell_product(const sell<T>& A, const T* p, T* q, index_t begin, index_t end) {
  lane_sum<T> pq;
  for (index_t s = begin / sell_rows; s * sell_rows < end; ++s) slice_matvec_dot(A, p, q, s, pq);
  return std::real(pq.total());
}

template <class I, class T>
double product(const csr<I, T>& A, const T* p, T* q, index_t begin, index_t end) {
  return csr_product(A, p, q, begin, end);
}
template <class T>
double product(const sell<T>& A, const T* p, T* q, index_t begin, index_t end) {
  return sell_product(A, p, q, begin, end);
}
template <class I, class T>
index_t first_block_of(const csr<I, T>& A, const blocks& cut, int thread, int threads) {
  return first_block_by_entries(A.indptr, cut, thread, threads);
}
template <class T>
index_t first_block_of(const sell<T>&, const blocks& cut, int thread, int threads) {
  return first_block(cut.count, thread, threads);
}

template <class Matrix>
struct stored {
  using T = typename Matrix::value_type;
  using real = real_t<T>;
  const Matrix& A;
  const real* d;
  T *x, *r, *p, *q;
  blocks cut;
  pair_sum part_p[blocks::max_blocks], part_r[blocks::max_blocks];

  template <class F>
  void over_blocks(int thread, int threads, F&& f) {
    const index_t last = first_block_of(A, cut, thread + 1, threads);
    for (index_t b = first_block_of(A, cut, thread, threads); b < last; ++b) f(b, cut.begin(b), cut.end(b));
  }
  void direction(int thread, int threads, double beta) {
    over_blocks(thread, threads, [&](index_t b, index_t begin, index_t end) {
      part_p[b].first = range_direction(r, d, p, real(beta), begin, end);
    });
  }
  void product(int thread, int threads) {
    over_blocks(thread, threads, [&](index_t b, index_t begin, index_t end) {
      part_p[b].second = cpu::product(A, p, q, begin, end);
    });
  }
  void norms(int thread, int threads) {
    over_blocks(thread, threads,
                [&](index_t b, index_t begin, index_t end) { part_r[b] = range_norms(r, d, begin, end); });
  }
  void update(int thread, int threads, double alpha, x_step step) {
    over_blocks(thread, threads, [&](index_t b, index_t begin, index_t end) {
      part_r[b] = step ? range_update<true>(x, r, p, q, d, real(alpha), step, begin, end)
                       : range_update<false>(x, r, p, q, d, real(alpha), step, begin, end);
    });
  }
  void move(int thread, int threads, x_step step) {
    if (!step) return;
    over_blocks(thread, threads,
                [&](index_t, index_t begin, index_t end) { range_move(x, r, p, d, step, begin, end); });
  }
};

}  // namespace

template <class I, class T>
void conjugate_directions_run_csr(const csr<I, T>& A, const real_t<T>* inverse_diagonal, T* x, T* r, T* p,
                                  T* q, double* norms, run_state& state) {
  stored<csr<I, T>> system{A, inverse_diagonal, x, r, p, q, blocks(A.n_rows, 256, sell_rows), {}, {}};
  run(system, n_threads(steps_of_a_run * bytes_of(A)), norms, state);
}

template <class T>
void conjugate_directions_run_sell(const sell<T>& A, const real_t<T>* inverse_diagonal, T* x, T* r, T* p,
                                   T* q, double* norms, run_state& state) {
  stored<sell<T>> system{A, inverse_diagonal, x, r, p, q, blocks(A.n_rows, 256, sell_rows), {}, {}};
  run(system, n_threads(steps_of_a_run * bytes_of(A)), norms, state);
}

#define PYSOLVE_INSTANTIATE_CSR(I, T)                                                                     \
  template void conjugate_directions_run_csr(const csr<I, T>&, const real_t<T>*, T*, T*, T*, T*, double*, \
                                             run_state&);
PYSOLVE_FOR_INDEX_VALUE(PYSOLVE_INSTANTIATE_CSR)
#define PYSOLVE_INSTANTIATE(T)                                                                           \
  template void conjugate_directions_run_sell(const sell<T>&, const real_t<T>*, T*, T*, T*, T*, double*, \
                                              run_state&);
PYSOLVE_FOR_VALUE(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
