// A = L + D + U for sweeps in an order of its rows: strictly lower, diagonal and strictly upper entries apart, the
// rows renumbered by a schedule.
//
// The order of a sweep is an order of the unknowns; L holds the entries whose column comes before the row in it. Only
// adjacent unknowns (a_ij or a_ji stored) need to keep it: any schedule that keeps it for them gives the same
// iterates. In the natural order each row waits for the one before it; the schedule takes levels of rows that do
// not, within blocks of consecutive rows that are just long enough to have wide levels. In the multicolour order
// a block's rows of one colour follow each other, each colour one block behind the colour before it.
#pragma once
#include <algorithm>
#include <atomic>
#include <vector>

#include "sor_pattern.hpp"

namespace pysolve::cpu {

// Entries of L or of U, row after row of the schedule; columns are numbers of the schedule too.
template <class T>
struct triangle {
  buffer<std::int32_t> length;  // entries of each row
  buffer<index_t> start;        // n_chunks + 1: the first entry of each chunk
  buffer<std::int32_t> column;
  buffer<T> value;
  buffer<std::uint32_t> source;  // where in the caller's data
  // Chunks of other blocks that chunk c reads from, the last of each block: waits[wait_start[c] .. wait_start[c+1]).
  std::vector<std::int32_t> waits;
  std::vector<index_t> wait_start;
  void make(index_t n, index_t n_chunks, index_t count) {
    length = buffer<std::int32_t>(n);
    start = buffer<index_t>(n_chunks + 1);
    column = buffer<std::int32_t>(count);
    value = buffer<T>(count);
    source = buffer<std::uint32_t>(count);
  }
  index_t bytes() const {
    return length.bytes() + start.bytes() + column.bytes() + value.bytes() + source.bytes() +
           index_t(waits.size() * sizeof(std::int32_t) + wait_start.size() * sizeof(index_t));
  }
};

template <class T>
class sor_split {
 public:
  using real = real_t<T>;

  template <class I>
  sor_split(const csr<I, T>& A, index_t nnz, sor_order order);

  // New values for the same pattern; false, and nothing changed, where the pattern is another.
  // Not to be called while a run reads the split.
  template <class I>
  bool update(const csr<I, T>& A, index_t nnz);

  index_t n = 0, n_entries = 0, n_levels = 0, n_colors = 0, n_chunks = 0, n_blocks = 0;
  split_fault fault;
  bool symmetric = true;  // U = L^H to the bit
  double asymmetry = 0;   // max |a_ij - conj(a_ji)|
  double norm = 0;        // max_i sum_j |a_ij|
  triangle<T> lower, upper;
  buffer<real> diagonal;
  buffer<std::int32_t> row;       // of the matrix, by number of the schedule
  buffer<std::int32_t> chunk;     // n_chunks + 1: first row of each
  buffer<std::int32_t> block;     // n_blocks + 1: first chunk of each
  buffer<std::int32_t> block_of;  // by chunk

  index_t bytes() const;
  // What a sweep reads and writes.
  index_t sweep_bytes() const { return n_entries * index_t(4 + sizeof(T)) + 6 * n * index_t(sizeof(T)); }

  // Scratch of `count` values, kept from run to run where no other thread uses it.
  class scratch {
   public:
    scratch(const sor_split& A, index_t count) : owner(A) {
      mine = !A.busy_.test_and_set(std::memory_order_acquire);
      if (!mine) own = buffer<T>(count);
      if (!mine || A.kept_.size >= count) return;
      try {
        A.kept_ = buffer<T>(count);
      } catch (...) {
        A.busy_.clear(std::memory_order_release);
        throw;
      }
    }
    ~scratch() {
      if (mine) owner.busy_.clear(std::memory_order_release);
    }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    T* get() const { return mine ? owner.kept_.get() : own.get(); }

   private:
    const sor_split& owner;
    buffer<T> own;
    bool mine;
  };

 private:
  void cut(const std::vector<index_t>& block_begin);
  template <class I>
  void fill(const csr<I, T>& A, const index_t* source, const buffer<std::int32_t>& position);
  void refill(const T* data);
  split_fault fault_of_row(index_t p, index_t below, index_t above, const T* data) const;
  void measure_symmetry(const T* data);
  void find_waits(triangle<T>& half);

  buffer<char> indptr_, indices_;  // the pattern as it was given
  index_t index_width_ = 0;
  buffer<std::uint32_t> diagonal_source_;  // by number of the schedule
  mirrors mirrors_;
  mutable buffer<T> kept_;
  mutable std::atomic_flag busy_;
};

// ---- the steps of a split, each on rows that are sorted by column and hold no column twice --------------------

// The rows by level: row i of level[i] only reads rows of other levels, those before it in the order from lower ones.
struct row_levels {
  buffer<std::int32_t> level;
  std::vector<std::int32_t> block_level;  // first level of each block
  index_t n_levels = 0, n_colors = 0;
};
template <class I>
row_levels natural_levels(index_t n, const I* indptr, const I* indices);
template <class I>
row_levels color_levels(index_t n, const I* indptr, const I* indices);

}  // namespace pysolve::cpu
