// The CUDA kernels that fill and update a sor_split, as bodies (see device_body.hpp): one thread for each row or entry. They
// are bound by the memory's bandwidth, and gather from the caller's data.
#pragma once
#include <cmath>

#include "csr_body.hpp"
#include "sor_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

PYSOLVE_BODY double magnitude(double a) { return a < 0 ? -a : a; }
template <class R>
PYSOLVE_BODY double magnitude(device_complex<R> a) {
  return std::hypot(double(a.re), double(a.im));
}
PYSOLVE_BODY double imaginary_part(double) { return 0; }
template <class R>
PYSOLVE_BODY double imaginary_part(device_complex<R> a) {
  return double(a.im);
}

template <class T>
PYSOLVE_BODY bool is_finite_value(T a) {
  return is_number(real_part(a)) && is_number(imaginary_part(a));
}

// Entries of L or of U by number of the schedule; columns are numbers of the schedule too.
template <class T>
struct triangle_view {
  const std::uint32_t* start;  // n + 1
  const std::int32_t* column;
  T* value;
  const std::uint32_t* source;  // where in the caller's data
};

// The first entry of row p that is not finite.
template <class T>
PYSOLVE_BODY index_t first_fault(const triangle_view<T>& half, index_t p) {
  for (index_t k = half.start[p]; k < index_t(half.start[p + 1]); ++k)
    if (!is_finite_value(half.value[k])) return k;
  return nowhere;
}

template <class T>
struct split_view {
  index_t n;
  triangle_view<T> lower, upper;
  real_t<T>* diagonal;
  const std::uint32_t* diagonal_source;
  const std::int32_t *row, *level_begin;
  int lanes;  // threads for a row
};

// The largest sum of a row, and the first row of the matrix with a fault.
struct refill_report {
  double norm = 0;
  index_t row = nowhere, number = 0;  // of the matrix, of the schedule
  PYSOLVE_BODY refill_report& operator+=(const refill_report& o) {
    norm = norm < o.norm ? o.norm : norm;
    if (o.row < row) {
      row = o.row;
      number = o.number;
    }
    return *this;
  }
};

//   entries (2 v + 4) + rows 20 bytes
template <class T>
struct refill_body {
  using result = refill_report;
  static constexpr int blocks_at_once = 2;  // with no more registers than it likes something spills
  split_view<T> A;
  const T* data;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(A.n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE refill_report operator()(const Place& at) const {
    refill_report report;
    over_elements(at, A.n, [&](index_t p) {
      const T d = data[A.diagonal_source[p]];
      A.diagonal[p] = real_t<T>(real_part(d));
      const double sum = gather(A.lower, p) + gather(A.upper, p) + magnitude(d);
      const bool sound = (sum <= largest || is_finite_row(p)) && real_part(d) > 0 && imaginary_part(d) == 0;
      const refill_report own{sum, sound ? nowhere : index_t(A.row[p]), p};
      report += own;
    });
    return report;
  }
  // Of a row whose sum is not finite: the sum may be too large where no entry is.
  PYSOLVE_BODY bool is_finite_row(index_t p) const {
    return is_finite_value(data[A.diagonal_source[p]]) && first_fault(A.lower, p) == nowhere &&
           first_fault(A.upper, p) == nowhere;
  }
  PYSOLVE_BODY double gather(const triangle_view<T>& half, index_t p) const {
    double sum = 0;
    for (index_t k = half.start[p]; k < index_t(half.start[p + 1]); ++k) {
      const T a = data[half.source[k]];
      half.value[k] = a;
      sum += magnitude(a);
    }
    return sum;
  }
};

// What is wrong in a row: its diagonal, or its first entry that is not finite.
template <class T>
struct row_fault {
  sor_fault kind;
  index_t column;  // number of the schedule
  T value;
};
template <class T>
struct row_fault_body {
  split_view<T> A;
  const T* data;
  index_t p;
  row_fault<T>* found;
  PYSOLVE_BODY index_t n_blocks() const { return 1; }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    if (at.block() == 0 && at.thread() == 0) *found = fault();
  }
  PYSOLVE_BODY row_fault<T> fault() const {
    const T d = data[A.diagonal_source[p]];
    if (!is_finite_value(d)) return {sor_fault::value, p, d};
    if (!(real_part(d) > 0) || imaginary_part(d) != 0) return {sor_fault::diagonal, p, d};
    const index_t below = first_fault(A.lower, p);
    const triangle_view<T>& half = below != nowhere ? A.lower : A.upper;
    const index_t k = below != nowhere ? below : first_fault(A.upper, p);
    return {sor_fault::value, index_t(half.column[k]), half.value[k]};
  }
};

struct largest_of {
  double value = 0;
  PYSOLVE_BODY largest_of& operator+=(const largest_of& o) {
    value = value < o.value ? o.value : value;
    return *this;
  }
};

// max |a_ij - conj(a_ji)|; pairs lie side by side, entries without a mirror after them.
template <class T>
struct asymmetry_body {
  using result = largest_of;
  const std::uint32_t *pairs, *alone;
  index_t n_pairs, n_alone;
  const T* data;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n_pairs + n_alone, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE largest_of operator()(const Place& at) const {
    largest_of most;
    over_elements(at, n_pairs + n_alone, [&](index_t k) {
      most += largest_of{k < n_pairs ? difference(data[pairs[2 * k]], data[pairs[2 * k + 1]])
                                     : magnitude(data[alone[k - n_pairs]])};
    });
    return most;
  }
  template <class R>
  PYSOLVE_BODY static double difference(R a, R b) {
    return magnitude(a - b);
  }
  template <class R>
  PYSOLVE_BODY static double difference(device_complex<R> a, device_complex<R> b) {
    return magnitude(a - device_complex<R>(b.re, -b.im));
  }
};

// How many bytes of two arrays differ, four at a time.
struct differences_body {
  using result = index_t;
  const std::uint32_t *a, *b;
  index_t count;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(count, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE index_t operator()(const Place& at) const {
    index_t different = 0;
    over_elements(at, count, [&](index_t i) { different += a[i] != b[i]; });
    return different;
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
