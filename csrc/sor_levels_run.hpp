// The order in which the CUDA kernels of sor on split matrices are launched.
#pragma once
#include "sor_levels_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// Sweeps from iterate to iterate, as in sor.cpp: x rotates through three vectors, the iterate whose norm is being found,
// the next one, and the one before, to which a norm that is not finite goes back.
template <class Queue, class Sums, class T, class Begin>
struct level_sweeps {
  Queue& queue;
  const Sums& sums;
  const split_view<T>& A;
  const Begin& begin;  // of levels, on the host
  sor_direction direction;
  sweep_vectors<T> v;
  T* iterate[3];
  double* part;  // a sum by block of a sweep's launches, zeros at first
  sor_course* course;
  double* norms;

  index_t n_launches() const {
    index_t count = 2;
    over_level_groups(begin, A.lanes, false, [&](const level_range&) { ++count; });
    return direction == sor_direction::symmetric ? 2 * count : count;
  }
  index_t n_parts() const {
    index_t count = 0;
    over_level_groups(begin, A.lanes, false,
                      [&](const level_range& r) { count += level_blocks(r, A.lanes); });
    return count;
  }
  void start() {
    queue.run(zero_body<sum_t<T>>{v.behind, A.n});
    sweep_vectors<T> now = v;
    now.old = iterate[0];
    if (direction == sor_direction::symmetric)
      over_level_groups(begin, A.lanes, false, [&](const level_range& r) {
        queue.run(level_sweep_body<T, level_work::product>{A, now, r, nullptr});
      });
  }
  // Sweep k + 1, and the norm of iterate k where k > 0; no sweep where k is the last.
  void step(index_t k, bool last) {
    sweep_vectors<T> now = v;
    now.old = iterate[k % 3];
    now.fresh = iterate[(k + 1) % 3];
    if (last) return norm_alone(k, now);
    if (direction == sor_direction::forward)
      sweep<level_work::up>(k, now, false);
    else if (direction == sor_direction::backward)
      sweep<level_work::down>(k, now, true);
    else
      sweep<level_work::rise>(k, now, false);
    if (direction != sor_direction::symmetric) return;
    over_level_groups(begin, A.lanes, true, [&](const level_range& r) {
      queue.run(level_sweep_body<T, level_work::fall>{A, now, r, course});
    });
  }

 private:
  template <level_work what>
  void sweep(index_t k, const sweep_vectors<T>& now, bool down) {
    double* next = part;
    over_level_groups(begin, A.lanes, down, [&](const level_range& r) {
      const level_sweep_body<T, what> body{A, now, r, course};
      queue.run(block_sums_body<level_sweep_body<T, what>>{body, next});
      next += body.n_blocks();
    });
    if (k > 0)
      queue.finish(sums, sum_of_parts_body<double>{part, next - part, course},
                   sweep_finish{course, norms, k});
  }
  void norm_alone(index_t k, const sweep_vectors<T>& now) {
    const bool backward = direction == sor_direction::backward,
               symmetric = direction == sor_direction::symmetric;
    const level_norm_body<T> body{
        A, backward || symmetric ? A.lower : A.upper, symmetric ? v.ahead : v.behind, now.b, now.old, course};
    queue.finish(sums, body, sweep_finish{course, norms, k});
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
