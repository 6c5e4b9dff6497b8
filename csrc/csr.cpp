#include "csr.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "csr_row.hpp"
#include "instantiate.hpp"
#include "parallel.hpp"
#include "simd.hpp"

namespace pysolve::cpu {
namespace {

template <class I, class T>
PYSOLVE_CLONES void rows_matvec(const csr<I, T>& A, const T* x, T* y, index_t begin, index_t end) {
  for (index_t i = begin; i < end; ++i)
    y[i] = row_times<T>(A.indices, A.data, x, A.indptr[i], A.indptr[i + 1]);
}

template <class I, class T>
PYSOLVE_CLONES sum_t<T> rows_matvec_dot(const csr<I, T>& A, const T* x, T* y, index_t begin, index_t end) {
  sum_t<T> dot = sum_t<T>();
  for (index_t i = begin; i < end; ++i) {
    y[i] = row_times<T>(A.indices, A.data, x, A.indptr[i], A.indptr[i + 1]);
    dot += inner(x[i], y[i]);
  }
  return dot;
}

template <class I, class T>
PYSOLVE_CLONES double rows_residual(const csr<I, T>& A, const T* b, const T* x, T* r, index_t begin,
                                    index_t end) {
  double rr = 0;
  for (index_t i = begin; i < end; ++i) {
    const sum_t<T> row = row_times<sum_t<T>>(A.indices, A.data, x, A.indptr[i], A.indptr[i + 1]);
    r[i] = T(sum_t<T>(b[i]) - row);
    rr += squared(r[i]);
  }
  return rr;
}

// part[block] = f(begin, end) for every block of rows; returns their sum.
template <class S, class I, class T, class F>
S over_rows(const csr<I, T>& A, F&& f) {
  const blocks cut(A.n_rows, 256, 8);
  S part[blocks::max_blocks];
  const int threads = n_threads(bytes_of(A));
#if defined(_OPENMP)
#pragma omp parallel num_threads(threads) if (threads > 1)
#endif
  {
    const index_t last = first_block_by_entries(A.indptr, cut, thread_id() + 1, team_size());
    for (index_t block = first_block_by_entries(A.indptr, cut, thread_id(), team_size()); block < last;
         ++block)
      part[block] = f(cut.begin(block), cut.end(block));
  }
  return sum(part, cut.count);
}

// Two numbers in [-1, 1) that look random, from a row or column number (multiply and fold, twice).
PYSOLVE_INLINE void pseudo_random(std::uint64_t i, double& u, double& v) {
  std::uint64_t h = (i + 1) * 0x9E3779B97F4A7C15u;
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93u;
  h ^= h >> 29;
  constexpr double scale = 1.0 / 2147483648.0;
  u = double(std::int32_t(h)) * scale;
  v = double(std::int32_t(h >> 32)) * scale;
}

struct random_pair {
  double u, v;
};

// The pairs of all rows and columns, made once: there are several entries to a row.
std::vector<random_pair> random_pairs(index_t n) {
  std::vector<random_pair> pairs(n);
  parallel_ranges(n, n_threads(n * index_t(sizeof(random_pair))), [&](index_t begin, index_t end) {
    for (index_t i = begin; i < end; ++i) pseudo_random(std::uint64_t(i), pairs[i].u, pairs[i].v);
  });
  return pairs;
}

struct check_sums {
  sum_t<std::complex<double>> defect = 0;
  double squares = 0, max_row_sum = 0;
  index_t bad_index = std::numeric_limits<index_t>::max();
  index_t bad_value = std::numeric_limits<index_t>::max();
  check_sums& operator+=(const check_sums& o) {
    defect += o.defect;
    squares += o.squares;
    max_row_sum = std::max(max_row_sum, o.max_row_sum);
    bad_index = std::min(bad_index, o.bad_index);
    bad_value = std::min(bad_value, o.bad_value);
    return *this;
  }
};

// Sums over entries of one row; not a member of check_sums is written meanwhile, since it could alias A.data.
template <class T>
struct row_sums {
  sum_t<T> au = sum_t<T>(), av = sum_t<T>();  // of conj(a) u_j and a v_j
  double size = 0, squares = 0;
  bool inside = true;
  template <class I>
  PYSOLVE_INLINE void add(const csr<I, T>& A, const random_pair* pairs, index_t k) {
    const sum_t<T> a(A.data[k]);
    const index_t j = A.indices[k];
    const bool known = std::uint64_t(j) < std::uint64_t(A.n_cols);
    const random_pair& r = pairs[known ? j : 0];
    inside &= known;
    au += conjugate(a) * r.u;
    av += a * r.v;
    squares += squared(a);
    if constexpr (is_real<T>)
      size += std::abs(a);
    else
      size += std::sqrt(squared(a));
  }
};

// One row, branch-free and with two sums side by side; false where something is wrong in it, to be looked up then.
template <class I, class T>
PYSOLVE_INLINE bool check_row(const csr<I, T>& A, const random_pair* pairs, index_t i, check_sums& s,
                              sum_t<T>& defect) {
  row_sums<T> even, odd;
  index_t k = A.indptr[i];
  const index_t end = A.indptr[i + 1];
  for (; k + 1 < end; k += 2) {
    even.add(A, pairs, k);
    odd.add(A, pairs, k + 1);
  }
  if (k < end) even.add(A, pairs, k);
  defect += pairs[i].u * (even.av + odd.av) - pairs[i].v * (even.au + odd.au);
  s.squares += even.squares + odd.squares;
  s.max_row_sum = std::max(s.max_row_sum, even.size + odd.size);
  return even.inside && odd.inside && std::isfinite(even.size + odd.size);
}

template <class I, class T>
void find_fault(const csr<I, T>& A, index_t i, check_sums& s) {
  for (index_t k = A.indptr[i]; k < index_t(A.indptr[i + 1]); ++k) {
    if (A.indices[k] < 0 || index_t(A.indices[k]) >= A.n_cols) s.bad_index = std::min(s.bad_index, k);
    if (!std::isfinite(std::real(A.data[k])) || !std::isfinite(std::imag(A.data[k])))
      s.bad_value = std::min(s.bad_value, k);
  }
}

template <class I, class T>
PYSOLVE_CLONES check_sums rows_check(const csr<I, T>& A, const random_pair* pairs, index_t begin,
                                     index_t end) {
  check_sums s;
  sum_t<T> defect = sum_t<T>();
  for (index_t i = begin; i < end; ++i)
    if (!check_row(A, pairs, i, s, defect)) find_fault(A, i, s);
  s.defect = defect;
  return s;
}

template <class I>
index_t first_bad_indptr(const I* indptr, index_t n_rows, index_t nnz) {
  if (indptr[0] != 0) return 0;
  for (index_t i = 0; i < n_rows; ++i)
    if (indptr[i + 1] < indptr[i]) return i + 1;
  return index_t(indptr[n_rows]) > nnz ? n_rows : -1;
}

}  // namespace

template <class I, class T>
void csr_matvec(const csr<I, T>& A, const T* x, T* y) {
  over_rows<int>(A, [&](index_t begin, index_t end) { return rows_matvec(A, x, y, begin, end), 0; });
}

template <class I, class T>
sum_t<T> csr_matvec_dot(const csr<I, T>& A, const T* x, T* y) {
  return over_rows<sum_t<T>>(
      A, [&](index_t begin, index_t end) { return rows_matvec_dot(A, x, y, begin, end); });
}

template <class I, class T>
double csr_residual(const csr<I, T>& A, const T* b, const T* x, T* r) {
  return over_rows<double>(A,
                           [&](index_t begin, index_t end) { return rows_residual(A, b, x, r, begin, end); });
}

template <class I, class T>
csr_report csr_check(const csr<I, T>& A, index_t nnz) {
  csr_report report;
  report.position = first_bad_indptr(A.indptr, A.n_rows, nnz);
  if (report.position >= 0) {
    report.fault = csr_fault::indptr;
    return report;
  }
  const auto pairs = random_pairs(std::max(A.n_rows, A.n_cols));
  const check_sums s = over_rows<check_sums>(
      A, [&](index_t begin, index_t end) { return rows_check(A, pairs.data(), begin, end); });
  constexpr index_t nowhere = std::numeric_limits<index_t>::max();
  if (s.bad_index != nowhere) {
    report.fault = csr_fault::index;
    report.position = s.bad_index;
  } else if (s.bad_value != nowhere) {
    report.fault = csr_fault::value;
    report.position = s.bad_value;
  }
  report.asymmetry = std::abs(s.defect);
  report.frobenius = std::sqrt(s.squares);
  report.max_row_sum = s.max_row_sum;
  return report;
}

#define PYSOLVE_INSTANTIATE(I, T)                                         \
  template void csr_matvec(const csr<I, T>&, const T*, T*);               \
  template sum_t<T> csr_matvec_dot(const csr<I, T>&, const T*, T*);       \
  template double csr_residual(const csr<I, T>&, const T*, const T*, T*); \
  template csr_report csr_check(const csr<I, T>&, index_t);
PYSOLVE_FOR_INDEX_VALUE(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
