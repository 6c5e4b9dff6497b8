// Bodies of running sums, and of the stable sort by key: a radix sort of four bits at a time.
//
// A thread walks a run of neighbouring values in their order, so that neither needs more than the order of the threads:
// what stands before a run is the sum over the runs before it. Counters stay in registers.
//   sort: a round of four bits reads 12 N bytes twice and writes 12 N, in 16 streams, and its running sum moves
// 4 N; ceil(log2(n_keys) / 4) rounds. Then values follow, N (24 or 40) bytes gathered. Limit: memory.
#pragma once
#include "matrix_completion_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

constexpr index_t run_length = 32;  // values of a thread
PYSOLVE_BODY constexpr index_t runs_of(index_t n) { return (n + run_length - 1) / run_length; }

// ---- running sums: x[i] <- sum of those before i, and the sum of all in x[n] -----------------------------------------

template <class S>
struct run_sums_body {
  const S* x;
  index_t n;
  S* sums;  // runs_of(n) + 1
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(runs_of(n), block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, runs_of(n), [&](index_t run) {
      S sum = S();
      for (index_t i = run * run_length; i < n && i < (run + 1) * run_length; ++i) sum += x[i];
      sums[run] = sum;
    });
  }
};

template <class S>
struct sums_before_body {
  S* x;  // n + 1
  index_t n;
  const S* sums;  // of the runs before each run; null: there is one run
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(runs_of(n), block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, runs_of(n), [&](index_t run) {
      S sum = sums ? sums[run] : S();
      for (index_t i = run * run_length; i < n && i < (run + 1) * run_length; ++i) {
        const S here = x[i];
        x[i] = sum;
        sum += here;
      }
      if (run == runs_of(n) - 1) x[n] = sum;
    });
  }
};

// n > 0.
template <template <class> class Scratch, class Queue, class S>
void run_sums(Queue& q, S* x, index_t n, const char* name) {
  if (n <= run_length) {
    q.run(sums_before_body<S>{x, n, nullptr});
    return;
  }
  const Scratch<S> sums(runs_of(n) + 1, name);
  q.run(run_sums_body<S>{x, n, sums.data()});
  run_sums<Scratch>(q, sums.data(), runs_of(n), name);
  q.run(sums_before_body<S>{x, n, sums.data()});
}

// ---- sort -----------------------------------------------------------------------------------------------------------

constexpr int radix_bits = 4, radix = 1 << radix_bits;

// The first entry whose key is not one.
struct first_fault {
  index_t entry = first_fault::none();
  static constexpr PYSOLVE_BODY index_t none() { return index_t(1) << 62; }
  PYSOLVE_BODY first_fault& operator+=(const first_fault& o) {
    entry = entry < o.entry ? entry : o.entry;
    return *this;
  }
};

struct check_keys_body {
  using result = first_fault;
  const std::int32_t* keys;
  index_t n_entries, n_keys;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n_entries, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE first_fault operator()(const Place& at) const {
    first_fault found;
    over_elements(at, n_entries, [&](index_t e) {
      if (keys[e] < 0 || keys[e] >= n_keys) found += {e};
    });
    return found;
  }
};

// counts[digit][run]: how many keys of the run have the digit.
struct count_digits_body {
  const std::int32_t* keys;
  index_t n_entries;
  int shift;
  index_t* counts;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(runs_of(n_entries), block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const index_t runs = runs_of(n_entries);
    over_elements(at, runs, [&](index_t run) {
      int count[radix] = {};
      for (index_t e = run * run_length; e < n_entries && e < (run + 1) * run_length; ++e) {
        const int digit = (keys[e] >> shift) & (radix - 1);
        PYSOLVE_UNROLL
        for (int d = 0; d < radix; ++d) count[d] += d == digit;
      }
      PYSOLVE_UNROLL
      for (int d = 0; d < radix; ++d) counts[d * runs + run] = count[d];
    });
  }
};

// Keys and the entries they are of, moved to where their digits stand; `from` null: the entry is the place.
struct move_digits_body {
  const std::int32_t* keys;
  const index_t* from;
  index_t n_entries;
  int shift;
  const index_t* places;  // running sums of the counts
  std::int32_t* keys_to;
  index_t* to;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(runs_of(n_entries), block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const index_t runs = runs_of(n_entries);
    over_elements(at, runs, [&](index_t run) {
      index_t next[radix];
      PYSOLVE_UNROLL
      for (int d = 0; d < radix; ++d) next[d] = places[d * runs + run];
      for (index_t e = run * run_length; e < n_entries && e < (run + 1) * run_length; ++e) {
        const int digit = (keys[e] >> shift) & (radix - 1);
        index_t place = 0;
        PYSOLVE_UNROLL
        for (int d = 0; d < radix; ++d) {
          place = d == digit ? next[d] : place;
          next[d] += d == digit;
        }
        keys_to[place] = keys[e];
        to[place] = from ? from[e] : e;
      }
    });
  }
};

// What belongs to the entries, in their order, and where each key begins: begin[i], n_keys + 1 values.
struct follow_keys_body {
  const std::int32_t* sorted;
  const index_t* from;
  index_t n_entries, n_keys;
  const std::int32_t* others;
  const double *values, *weights;
  index_t* begin;
  std::int32_t* sorted_others;
  double *sorted_values, *sorted_weights;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n_entries + 1, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, n_entries + 1, [&](index_t e) {
      const index_t key = e < n_entries ? index_t(sorted[e]) : n_keys;
      for (index_t i = e > 0 ? index_t(sorted[e - 1]) + 1 : 0; i <= key; ++i) begin[i] = e;
      if (e == n_entries) return;
      sorted_others[e] = others[from[e]];
      sorted_values[e] = values[from[e]];
      if (weights) sorted_weights[e] = weights[from[e]];
    });
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
