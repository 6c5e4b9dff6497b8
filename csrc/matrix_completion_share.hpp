// Rows of observed entries, checked and shared out between threads.
#pragma once
#include <atomic>
#include <vector>

#include "matrix_completion.hpp"
#include "parallel.hpp"

namespace pysolve::cpu {

struct row_extents {
  index_t longest = 0, n_entries = 0;  // of the rows within the limit
  std::vector<index_t> beyond;         // rows longer than it
  index_t fault = -1;
};

// Whether begin and end name entries that are there, before anything is allocated by them.
template <class T>
row_extents measure_rows(const observed<T>& A, index_t limit) {
  row_extents found;
  for (index_t i = 0; i < A.n_rows; ++i) {
    const index_t begin = A.begin[i], end = A.end[i];
    if (begin < 0 || end < begin || end > A.n_entries) {
      found.fault = i;
      return found;
    }
    found.n_entries += end - begin;
    if (end - begin > limit)
      found.beyond.push_back(i);
    else
      found.longest = std::max(found.longest, end - begin);
  }
  return found;
}

// Threads for `bytes` of work in so many blocks; at least one.
inline int threads_for(index_t bytes, const blocks& cut) {
  return int(std::max<index_t>(1, std::min<index_t>(n_threads(bytes), cut.count)));
}

// f(block, begin, end, thread's work) over blocks of rows, each taken by whichever thread is free: rows are independent,
// and what they sum is kept by block, so the order does not show. `works` holds one for each thread.
template <class Work, class F>
void share_rows(const blocks& cut, std::vector<Work>& works, F&& f) {
  std::atomic<index_t> next{0};
  parallel_team(int(works.size()), [&](int thread, int) {
    for (index_t b = next++; b < cut.count; b = next++)
      f(b, cut.begin(b), cut.end(b), works[std::size_t(thread)]);
  });
}

// Sums of the blocks, and the first fault.
inline completion_sums joined(const std::vector<completion_sums>& parts) {
  completion_sums whole;
  for (const completion_sums& part : parts) {
    whole.squares += part.squares;
    if (whole.fault < 0) whole.fault = part.fault;
  }
  return whole;
}

}  // namespace pysolve::cpu
