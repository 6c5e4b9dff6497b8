// The CUDA kernels of csr as bodies (see device_body.hpp), and the order in which they are launched.
//
// A group of 1, 2, 4 ... 32 neighbouring threads shares a row: its entries are read side by side, and the group's
// sums are added by shuffles. The mean row length decides; it is read on the device, so that a product does not wait
// for a copy to the host.
#pragma once
#include <cmath>
#include <limits>

#include "csr.hpp"
#include "device_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// The largest power of two that is at most the mean row length, and a warp at most.
PYSOLVE_BODY int lanes_per_row(index_t n_entries, index_t n_rows) {
  int lanes = 1;
  while (lanes < warp_threads && 2 * lanes * n_rows <= n_entries) lanes *= 2;
  return lanes;
}

// visit(row, sum over the entries k of the row of term(row, k)), by one thread for each row. All threads of a block
// go round equally often, as shuffles require.
template <class S, class I, class T, class Place, class Term, class Visit>
PYSOLVE_AT_PLACE void over_rows(const csr<I, T>& A, const Place& at, Term term, Visit visit) {
  if (A.n_rows == 0) return;
  const int lanes = lanes_per_row(index_t(A.indptr[A.n_rows]), A.n_rows), lane = at.thread() & (lanes - 1);
  const index_t rows = at.block_threads() / lanes;
  for (index_t first = at.block() * rows; first < A.n_rows; first += at.n_blocks() * rows) {
    const index_t row = first + at.thread() / lanes;
    S sum = S();
    if (row < A.n_rows) {
      const index_t end = A.indptr[row + 1];
      for (index_t k = index_t(A.indptr[row]) + lane; k < end; k += lanes) sum += term(row, k);
    }
    sum = lanes_sum(at, sum, lanes);
    if (row < A.n_rows && lane == 0) visit(row, sum);
  }
}

// visit(row, (A x)_row), with sums in S.
template <class S, class I, class T, class Place, class Visit>
PYSOLVE_AT_PLACE void over_products(const csr<I, T>& A, const T* x, const Place& at, Visit visit) {
  over_rows<S>(A, at, [&](index_t, index_t k) { return S(A.data[k]) * S(x[A.indices[k]]); }, visit);
}

// Enough for rows of 32 lanes each; with fewer lanes the last blocks find nothing to do.
PYSOLVE_BODY index_t row_blocks(index_t n_rows) { return blocks_for(n_rows, block_threads / warp_threads); }

template <class I, class T>
struct csr_matvec_body {
  csr<I, T> A;
  const T* x;
  T* y;
  PYSOLVE_BODY index_t n_blocks() const { return row_blocks(A.n_rows); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_products<T>(A, x, at, [&](index_t i, T v) { y[i] = v; });
  }
};

template <class I, class T>
struct csr_matvec_dot_body {
  using result = sum_t<T>;
  csr<I, T> A;
  const T* x;
  T* y;
  PYSOLVE_BODY index_t n_blocks() const { return row_blocks(A.n_rows); }
  template <class Place>
  PYSOLVE_AT_PLACE result operator()(const Place& at) const {
    result dot = result();
    over_products<T>(A, x, at, [&](index_t i, T v) {
      y[i] = v;
      dot += inner(x[i], v);
    });
    return dot;
  }
};

template <class I, class T>
struct csr_residual_body {
  using result = double;
  csr<I, T> A;
  const T* b;
  const T* x;
  T* r;
  PYSOLVE_BODY index_t n_blocks() const { return row_blocks(A.n_rows); }
  template <class Place>
  PYSOLVE_AT_PLACE double operator()(const Place& at) const {
    double rr = 0;
    over_products<sum_t<T>>(A, x, at, [&](index_t i, sum_t<T> v) {
      const T difference = T(sum_t<T>(b[i]) - v);
      r[i] = difference;
      rr += squared(difference);
    });
    return rr;
  }
};

constexpr index_t nowhere = std::numeric_limits<index_t>::max();
constexpr double largest = std::numeric_limits<double>::max();

// The first position at which something is wrong: "sums" are minima.
struct first_position {
  index_t at = nowhere;
  PYSOLVE_BODY first_position& operator+=(const first_position& o) {
    at = o.at < at ? o.at : at;
    return *this;
  }
};

// Where indptr does not start at 0, falls, or ends beyond nnz.
template <class I>
struct csr_indptr_body {
  using result = first_position;
  const I* indptr;
  index_t n_rows, nnz;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n_rows + 1, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE result operator()(const Place& at) const {
    result first;
    over_elements(at, n_rows + 1, [&](index_t i) {
      const bool wrong =
          (i == 0 ? indptr[0] != 0 : indptr[i] < indptr[i - 1]) || (i == n_rows && index_t(indptr[i]) > nnz);
      if (wrong) first += result{i};
    });
    return first;
  }
};

// Two numbers in [-1, 1) that look random, from a row or column number: the same as in csr.cpp.
PYSOLVE_BODY void pseudo_random(std::uint64_t i, double& u, double& v) {
  std::uint64_t h = (i + 1) * 0x9E3779B97F4A7C15u;
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93u;
  h ^= h >> 29;
  constexpr double scale = 1.0 / 2147483648.0;
  u = double(std::int32_t(h)) * scale;
  v = double(std::int32_t(h >> 32)) * scale;
}

struct check_sums {
  double defect_re = 0, defect_im = 0, squares = 0, max_row_sum = 0;
  first_position bad_index, bad_value;
  PYSOLVE_BODY check_sums& operator+=(const check_sums& o) {
    defect_re += o.defect_re;
    defect_im += o.defect_im;
    squares += o.squares;
    max_row_sum = max_row_sum < o.max_row_sum ? o.max_row_sum : max_row_sum;
    bad_index += o.bad_index;
    bad_value += o.bad_value;
    return *this;
  }
};

template <class T>
PYSOLVE_BODY device_complex<double> widened(T a) {
  return device_complex<double>(double(a));
}
template <class R>
PYSOLVE_BODY device_complex<double> widened(device_complex<R> a) {
  return device_complex<double>(a);
}

// Columns, values, norms and asymmetry; indptr has been checked.
template <class I, class T>
struct csr_entries_body {
  using result = check_sums;
  csr<I, T> A;
  PYSOLVE_BODY index_t n_blocks() const { return row_blocks(A.n_rows); }
  template <class Place>
  PYSOLVE_AT_PLACE check_sums operator()(const Place& at) const {
    check_sums s;
    over_rows<double>(
        A, at, [&](index_t i, index_t k) { return entry(s, i, k); },
        [&](index_t, double sum) { s.max_row_sum = s.max_row_sum < sum ? sum : s.max_row_sum; });
    return s;
  }
  // Counts in one entry; returns its magnitude.
  PYSOLVE_BODY double entry(check_sums& s, index_t i, index_t k) const {
    const device_complex<double> a = widened(A.data[k]);
    const index_t j = A.indices[k];
    if (j < 0 || j >= A.n_cols) s.bad_index += first_position{k};
    const double re = a.re < 0 ? -a.re : a.re, im = a.im < 0 ? -a.im : a.im;
    if (!(re <= largest && im <= largest)) s.bad_value += first_position{k};
    double ui, vi, uj, vj;
    pseudo_random(std::uint64_t(i), ui, vi);
    pseudo_random(std::uint64_t(j), uj, vj);
    s.defect_re += a.re * (ui * vj - vi * uj);
    s.defect_im += a.im * (ui * vj + vi * uj);
    s.squares += squared(a);
    return im == 0 ? re : std::sqrt(squared(a));
  }
};

// csr_check: two launches, since nothing may be read through an indptr that is wrong.
template <class Queue, class I, class T>
csr_report run_csr_check(Queue& queue, const csr<I, T>& A, index_t nnz) {
  csr_report report;
  report.position = queue.sum(csr_indptr_body<I>{A.indptr, A.n_rows, nnz}).at;
  if (report.position != nowhere) {
    report.fault = csr_fault::indptr;
    return report;
  }
  const check_sums s = queue.sum(csr_entries_body<I, T>{A});
  const bool index = s.bad_index.at != nowhere, value = s.bad_value.at != nowhere;
  report.fault = index ? csr_fault::index : value ? csr_fault::value : csr_fault::none;
  report.position = index ? s.bad_index.at : value ? s.bad_value.at : -1;
  report.asymmetry = std::hypot(s.defect_re, s.defect_im);
  report.frobenius = std::sqrt(s.squares);
  report.max_row_sum = s.max_row_sum;
  return report;
}

}  // namespace pysolve::PYSOLVE_BACKEND
