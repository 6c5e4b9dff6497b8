// The order in which the CUDA kernels of sor on stencil operators are launched.
#pragma once
#include "sor_cg_body.hpp"
#include "sor_red_black_body.hpp"
#include "sor_waves_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// Sweeps from iterate to iterate. Each goes from one vector to the next of three: x itself and two more; the norm of an
// iterate comes out of the sweep that starts from it. So an iterate and the one before it are there when its norm is
// known. `middle` is a fourth for what lies between the halves of a symmetric sweep.
template <class Queue, class Sums, class T>
struct stencil_sweeps {
  Queue& queue;
  const Sums& sums;
  const grid<T>& A;
  const T* b;
  T* iterate[3];
  T* middle;
  T omega;
  sor_direction direction;
  bool red_black, asks;
  sor_course* course;
  double* norms;

  // Launches of a sweep: all but a few are those of the waves.
  index_t n_launches() const {
    if (red_black) return 4;
    index_t count = 2;
    over_wave_groups(A.n, false, [&](const wave_range&) { ++count; });
    return direction == sor_direction::symmetric ? 2 * count : count;
  }
  // Sweep k + 1, and the norm of iterate k where k > 0; no sweep where k is the last.
  void step(index_t k, bool last) {
    with_weights(A, [&]<class W>() {
      T *const old = iterate[k % 3], *const fresh = iterate[(k + 1) % 3];
      if (last)
        start<W>(k, old, nullptr, -1);
      else if (red_black && is_flat(A))
        flat<W>(k, old, fresh);
      else if (red_black)
        colours<W>(k, old, fresh);
      else
        waves<W>(k, old, fresh);
    });
  }

 private:
  // The body that starts a sweep, with the norm of iterate k where it is asked for.
  template <template <class, class, bool> class Body, class W, class Relaxation>
  void first(index_t k, const T* old, T* fresh, const Relaxation& omega_of, auto... more) {
    if (asks && k > 0)
      queue.finish(sums, Body<W, T, true>{A, b, old, fresh, omega_of, more..., course},
                   sweep_finish{course, norms, k});
    else if (fresh != nullptr)
      queue.run(Body<W, T, false>{A, b, old, fresh, omega_of, more..., course});
  }
  template <class W>
  void start(index_t k, const T* old, T* fresh, int colour) {
    first<sor_start_body, W>(k, old, fresh, omega, colour);
  }
  template <class W>
  void flat(index_t k, const T* old, T* fresh) {
    const bool whole = has_whole_vectors<T>(A, {b, old, fresh, middle});
    const flat_cells<W, T> cells(A, omega);
    if (direction != sor_direction::symmetric)
      return first<red_black_body, W>(k, old, fresh, cells, int(direction == sor_direction::backward), whole);
    first<red_black_body, W>(k, old, middle, cells, 0, whole);
    queue.run(red_black_body<W, T, false>{A, b, middle, fresh, cells, 1, whole, course});
  }
  template <class W>
  void colours(index_t k, const T* old, T* fresh) {
    const int before = direction == sor_direction::backward;
    const auto relax = [&](int colour) { run_sor_sweep_stencil(queue, A, b, fresh, omega, colour, course); };
    start<W>(k, old, fresh, before);
    relax(1 - before);
    if (direction != sor_direction::symmetric) return;
    relax(1);
    relax(0);
  }
  template <class W>
  void waves(index_t k, const T* old, T* fresh) {
    const auto pass = [&](bool down) {
      over_wave_groups(A.n, down, [&](const wave_range& range) {
        queue.run(sor_wave_body<W, T>{A, b, fresh, omega, range, course});
      });
    };
    start<W>(k, old, fresh, -1);
    if (direction != sor_direction::backward) pass(false);
    if (direction != sor_direction::forward) pass(true);
  }
};

// One half of the preconditioner: y = (D/omega + L)^-1 r, or y = (D/omega + L^T)^-1 (2 - omega)/omega D y.
template <bool ascends, class Queue, class T>
void run_triangle(Queue& queue, const grid<T>& A, const T* r, T* y, T omega,
                  const sor_course* course = nullptr) {
  with_weights(A, [&]<class W>() {
    over_wave_groups(A.n, !ascends, [&](const wave_range& range) {
      queue.run(sor_triangle_body<W, T, ascends>{A, r, y, omega, range, course});
    });
  });
}

// Launches of both halves.
template <class T>
index_t triangle_launches(const grid<T>& A) {
  index_t count = 0;
  over_wave_groups(A.n, false, [&](const wave_range&) { ++count; });
  return 2 * count;
}

// Iterations of ssor_cg. Its passes, beside the two solves, are those of plain conjugate gradients: they run along memory,
// where the waves of the solves do not.
//   15 v bytes a cell and iteration (constant weights), and what the caches do not hold of a wave; 80 flops
template <class Queue, class Sums, class T>
struct stencil_ssor_cg {
  Queue& queue;
  const Sums& sums;
  const grid<T>& A;
  T omega;
  T *x, *r, *p, *y, *q;
  sor_course* course;
  double* norms;

  // y of r, and rho; with norms the end of a step.
  void ascend(double* found) {
    run_triangle<true>(queue, A, static_cast<const T*>(r), y, omega, course);
    with_weights(A, [&]<class W>() {
      queue.finish(sums, ssor_rho_body<W, T>{A, y, course}, ssor_next{course, double(omega), found});
    });
  }
  void step() {
    run_triangle<false>(queue, A, static_cast<const T*>(y), y, omega, course);
    queue.run(ssor_direction_body<T>{y, p, A.size(), course});
    with_weights(A, [&]<class W>() {
      queue.finish(sums, ssor_product_body<W, T>{A, p, q, course}, ssor_alpha<T>{course});
    });
    queue.finish(sums, ssor_step_body<T>{x, r, p, q, A.size(), course}, ssor_keep_rr{course});
    ascend(norms);
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
