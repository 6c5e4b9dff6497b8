// A = L + D + U on a device for sweeps in an order of its rows: what sor_split.hpp is to a CPU. Plain C++, for the bindings
// too.
//
// The rows are renumbered level by level. In the natural order a row's level is one more than the highest of the rows
// before it that it touches, so that whole levels in turn give the iterates of the rows one by one; in the multicolour
// order a level is a colour. The pattern is looked at on the host, once: indptr and indices are copied there, levels and
// mirrors are found, and the numbers go back. The values never leave the device, nor does update() bring anything else
// to the host than what it found.
#pragma once
#include <memory>
#include <vector>

#include "sor_pattern.hpp"

namespace pysolve::cuda {

// Memory that a split keeps on its device.
template <class T>
struct split_arrays;

template <class T>
class sor_split {
 public:
  template <class I>
  sor_split(const csr<I, T>& A, index_t nnz, sor_order order);
  ~sor_split();

  // New values for the same pattern; false, and nothing changed, where the pattern is another.
  // Not to be called while a run reads the split.
  template <class I>
  bool update(const csr<I, T>& A, index_t nnz);

  index_t n = 0, n_entries = 0, n_levels = 0, n_colors = 0;
  split_fault fault;
  bool symmetric = true;             // U = L^H to the bit
  double asymmetry = 0;              // max |a_ij - conj(a_ji)|
  double norm = 0;                   // max_i sum_j |a_ij|
  std::vector<index_t> level_begin;  // n_levels + 1: the first row of each
  index_t bytes() const;
  const split_arrays<T>& arrays() const { return *arrays_; }

 private:
  void refill(const T* data);
  std::unique_ptr<split_arrays<T>> arrays_;
};

}  // namespace pysolve::cuda
