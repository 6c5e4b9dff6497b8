// Launches of several kernels of matrix_completion: long rows cut into segments, a task over all rows.
#pragma once
#include <algorithm>
#include <stdexcept>
#include <string>

#include "matrix_completion_products_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

template <class Team>
constexpr bool is_narrow = true;
template <>
inline constexpr bool is_narrow<wide> = false;

// Rows of factors are read 16 bytes at a time.
inline void check_aligned(const void* p, const char* name) {
  if (reinterpret_cast<std::uintptr_t>(p) % 16 != 0)
    throw std::invalid_argument(std::string(name) + " must begin at a multiple of 16 bytes on the device");
}

// Entries of a row up to which one warp walks it; where vectors stand in memory, all rows.
template <class T>
index_t whole_rows(const observed<T>& A, index_t ld) {
  return ld > 512 ? A.n_entries : one_warp_entries;
}

// Rows whose n values each are kept together in 256 MB; at least one.
template <class T>
index_t rows_of_slab(index_t n_rows, index_t n) {
  return std::max<index_t>(1, std::min(n_rows, (index_t(1) << 28) / (n * index_t(sizeof(T)))));
}

// Blocks of so many doubles each that stay within 1 GB; at least one.
inline index_t blocks_within(index_t wanted, index_t each) {
  const index_t limit = std::min<index_t>(256, (index_t(1) << 27) / each);
  return std::max<index_t>(1, std::min(wanted, limit));
}

// The first row whose begin and end are not of entries that are there.
template <class T>
struct check_rows_body {
  using result = completion_share;
  observed<T> A;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(A.n_rows, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE completion_share operator()(const Place& at) const {
    completion_share share;
    over_elements(at, A.n_rows, [&](index_t i) {
      if (!has_entries(A, i)) share += {0, i};
    });
    return share;
  }
};

// The long rows and their segments. Waits to learn how many there are, unless there are too few entries for one.
template <template <class> class Scratch, class T>
struct cuts {
  Scratch<row_counts> before;  // of each row, then of those before it
  row_counts all;
  index_t rows, segments;
  Scratch<long_row> row_list;
  Scratch<segment> segment_list;

  template <class Queue>
  cuts(Queue& q, const observed<T>& A, const char* name)
      : before(any(A) ? A.n_rows + 1 : 1, name),
        all(any(A) ? q.sum(count_cuts_body<T>{A, before.data()}) : row_counts{}),
        rows(all.rows),
        segments(all.segments),
        row_list(rows + 1, name),
        segment_list(segments + 1, name) {
    if (rows == 0) return;
    run_sums<Scratch>(q, before.data(), A.n_rows, name);
    q.run(list_cuts_body<T>{A, before.data(), row_list.data(), segment_list.data()});
  }
  static bool any(const observed<T>& A) { return A.n_entries > one_warp_entries; }
};

// The half step of all rows where some are cut: launches for each step of those, then the others with their end.
template <class Team, template <class> class Scratch, class Queue, class T>
completion_sums half_long_rows(Queue& q, const half_step_body<T, Team>& body, const cuts<Scratch, T>& cut,
                               const char* name) {
  const index_t ld = body.how.ld;
  const Scratch<float> vectors(cut.rows * 3 * ld, name), products(cut.segments * ld, name);
  const Scratch<row_progress> progress(cut.rows, name);
  const Scratch<T> gradients(cut.segments * ld, name);
  const Scratch<segment_sum> sums(cut.segments, name);
  const Scratch<double> squares(cut.rows, name);
  const long_state state{vectors.data(), progress.data()};
  const long_row* const rows = cut.row_list.data();
  const segment* const segments = cut.segment_list.data();
  q.run(long_pass_body<T, T, Team>{body.A, body.V, body.U, body.how, 0, rows, segments, cut.segments, state,
                                   gradients.data(), sums.data()});
  q.run(long_step_body<T, T, Team>{body.U, body.how, 0, rows, cut.rows, state, gradients.data(), sums.data(),
                                   squares.data()});
  for (int step = 1; step <= body.how.n_cg; ++step) {
    q.run(long_pass_body<T, float, Team>{body.A, body.narrow_V, body.U, body.how, step, rows, segments,
                                         cut.segments, state, products.data(), sums.data()});
    q.run(long_step_body<T, float, Team>{body.U, body.how, step, rows, cut.rows, state, products.data(),
                                         sums.data(), squares.data()});
  }
  return sums_of(q.sum(
      body, long_finish_body<T, Team>{body.U, body.how, rows, cut.rows, state, squares.data(), body.shrunk}));
}

// A task over all rows, and its sum.
template <template <class> class Scratch, class Queue, class Task>
completion_sums over_rows(Queue& q, const Task& task, const char* name) {
  using T = typename Task::value;
  check_aligned(task.V, "V");
  return with_team(task.ld, [&]<class Team>() {
    const Scratch<double> memory(memory_of_warps<Team>(task.A.n_rows, task.ld) + 1, name);
    const task_rows_body<Task, Team> body{task, whole_rows(task.A, task.ld), memory.data()};
    if constexpr (is_narrow<Team>) {
      const cuts<Scratch, T> cut(q, task.A, name);
      if (cut.rows > 0) {
        const Scratch<T> parts(cut.segments * task.ld, name);
        const Scratch<segment_sum> sums(cut.segments, name);
        const long_row* const rows = cut.row_list.data();
        q.run(task_segments_body<Task, Team>{task, rows, cut.segment_list.data(), cut.segments, parts.data(),
                                             sums.data()});
        return sums_of(
            q.sum(body, task_join_body<Task, Team>{task, rows, cut.rows, parts.data(), sums.data()}));
      }
    }
    return sums_of(q.sum(body));
  });
}

}  // namespace pysolve::PYSOLVE_BACKEND
