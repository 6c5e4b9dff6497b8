// The order in which the bodies of a V-cycle run: those of a large level as launches, those of the small ones in one.
#pragma once
#include <type_traits>

#include "multilevel_cycle_body.hpp"

// Before functions that the host calls with a queue, and the device with a block.
#if defined(__CUDACC__)
#define PYSOLVE_EITHER_SIDE _Pragma("nv_exec_check_disable")
#else
#define PYSOLVE_EITHER_SIDE
#endif

namespace pysolve::PYSOLVE_BACKEND {

// What a queue is for launches, for the bodies that one block goes through.
template <class Place>
struct in_block {
  const Place& at;
  template <class Body>
  PYSOLVE_AT_PLACE void run(const Body& body) {
    body(at);
    at.sync();
  }
};

struct level_steps {
  const float* tau;
  int count;
};

// Where a level leaves what it passes up.
PYSOLVE_BODY float* solution_of(const cycle_level& level, int n_steps) {
  return level.inverse && n_steps % 2 ? level.y : level.x;
}

// level.coarse = P^T fine along the axes from `done` on: one or two (with three the first is that of the rows).
PYSOLVE_EITHER_SIDE
template <class Run>
PYSOLVE_BODY void restrict_axes(Run& run, const cycle_level& level, int done, const float* fine) {
  const axis_transfer* to = level.to + done;
  if (level.n_axes - done == 1)
    run.run(multilevel_restrict_axes_body<1>{{to[0]}, fine, level.coarse});
  else if (level.n_axes - done == 2)
    run.run(multilevel_restrict_axes_body<2>{{to[0], to[1]}, fine, level.coarse});
}

PYSOLVE_EITHER_SIDE
template <class Run>
PYSOLVE_BODY void prolong_axes(Run& run, const cycle_level& level, const float* coarse) {
  const axis_transfer* to = level.to;
  const float scale = level.scale;
  const bool add = level.inverse != nullptr;
  if (level.n_axes == 1)
    run.run(multilevel_prolong_axes_body<1>{{to[0]}, coarse, scale, add, level.x});
  else if (level.n_axes == 2)
    run.run(multilevel_prolong_axes_body<2>{{to[0], to[1]}, coarse, scale, add, level.x});
  else
    run.run(multilevel_prolong_axes_body<3>{{to[0], to[1], to[2]}, coarse, scale, add, level.x});
}

// From the right-hand side factor r of a level with sweeps to that of the next one, level.coarse.
PYSOLVE_EITHER_SIDE
template <class Faces, class Run, class T>
PYSOLVE_BODY void sweep_down(Run& run, const cycle_level& l, const level_steps& steps, const T* r, T factor) {
  const float* tau = steps.tau;
  const bool odd = steps.count % 2;  // the last step ends in x
  float *from = odd ? l.y : l.x, *into = odd ? l.x : l.y;
  run.run(multilevel_first_steps_body<Faces, T>{l.A, r, factor, l.inverse, tau[0] + tau[1], tau[0] * tau[1],
                                                l.u, from});
  for (int k = 2; k < steps.count; ++k) {
    run.run(multilevel_step_body<Faces, float>{l.A, l.u, l.inverse, tau[k], from, 1, nullptr, into});
    float* const last = from;
    from = into, into = last;
  }
  const residual_in_cell<T> rest{r, factor, l.inverse};
  if (l.to[0].axis != 0) {
    run.run(multilevel_rest_body<Faces, T>{l.A, rest, l.x, l.y});
    restrict_axes(run, l, 0, l.y);
    return;
  }
  float* const pairs = l.n_axes == 1 ? l.coarse : l.half;
  run.run(multilevel_rest_in_pairs_body<Faces, T>{l.A, l.to[0], rest, l.x, pairs});
  restrict_axes(run, l, 1, pairs);
}

// From the solution e of the next level to z, in solid cells that of `keep` or 0.
PYSOLVE_EITHER_SIDE
template <class Faces, class Run, class T>
PYSOLVE_BODY void sweep_up(Run& run, const cycle_level& l, const level_steps& steps, const float* e, T factor,
                           const T* keep, T* z) {
  prolong_axes(run, l, e);
  float *from = l.x, *into = l.y;
  for (int k = steps.count - 1; k > 0; --k) {
    run.run(multilevel_step_body<Faces, float>{l.A, l.u, l.inverse, steps.tau[k], from, 1, nullptr, into});
    float* const last = from;
    from = into, into = last;
  }
  run.run(multilevel_step_body<Faces, T>{l.A, l.u, l.inverse, steps.tau[0], from, factor, keep, z});
}

// ---- the coarsest box --------------------------------------------------------------------------------------------

// f(row, inverse[row] . b) for every row of the symmetric inverse, a warp for each.
template <class Place, class Row>
PYSOLVE_AT_PLACE void over_solved_rows(const Place& at, const float* inverse, index_t n, const float* b,
                                       Row f) {
  const int lane = at.thread() % warp_threads, warp = at.thread() / warp_threads;
  const int n_warps = at.block_threads() / warp_threads;
  for (index_t first = 0; first < n; first += n_warps) {
    const index_t row = first + warp;
    float sum = 0;
    if (row < n)
      for (index_t k = lane; k < n; k += warp_threads) sum += inverse[row * n + k] * b[k];
    sum = lanes_sum(at, sum, warp_threads);
    if (lane == 0 && row < n) f(row, sum);
  }
}

// Levels of few cells, the first of them with right-hand side r, and the coarsest box below them: one block.
struct multilevel_bottom_body {
  int n_levels, n_steps;
  cycle_level levels[max_bottom];
  float tau[max_steps];
  const float *r, *solve;
  index_t n_coarsest;
  float* solution;
  PYSOLVE_BODY index_t n_blocks() const { return 1; }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    in_block<Place> block{at};
    const level_steps steps{tau, n_steps};
    const float* b = r;
    for (int k = 0; k < n_levels; b = levels[k++].coarse)
      if (levels[k].inverse)
        sweep_down<array_faces>(block, levels[k], steps, b, 1.0f);
      else
        restrict_axes(block, levels[k], 0, b);
    over_solved_rows(at, solve, n_coarsest, b, [&](index_t row, float v) { solution[row] = v; });
    at.sync();
    const float* e = solution;
    for (int k = n_levels - 1; k >= 0; e = solution_of(levels[k--], n_steps))
      if (levels[k].inverse)
        sweep_up<array_faces, in_block<Place>, float>(block, levels[k], steps, e, 1.0f, nullptr,
                                                      solution_of(levels[k], n_steps));
      else
        prolong_axes(block, levels[k], e);
  }
};

// z = last (inverse factor r) where there is no other level; right is work space, for z may be r.
template <class T>
struct multilevel_solve_body {
  const float* inverse;
  index_t n;
  const T* r;
  T factor, last;
  bool keep;
  float* right;
  T* z;
  PYSOLVE_BODY index_t n_blocks() const { return 1; }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    for (index_t i = at.thread(); i < n; i += at.block_threads()) right[i] = float(r[i] * factor);
    at.sync();
    over_solved_rows(at, inverse, n, right, [&](index_t row, float v) {
      z[row] = inverse[row * n + row] > 0 ? T(v) * last : keep ? r[row] : T(0);
    });
  }
};

// ---- launches ----------------------------------------------------------------------------------------------------

// The first of the levels that are launched together.
inline std::size_t bottom_of(const cycle_plan& plan) {
  std::size_t first = plan.levels.size();
  while (first > 1 && plan.levels.size() - first < max_bottom && plan.levels[first - 1].A.weights[0] &&
         plan.levels[first - 1].A.size() <= bottom_cells)
    --first;
  return first;
}

inline multilevel_bottom_body bottom_body(const cycle_plan& plan, std::size_t first, const float* r) {
  multilevel_bottom_body body{};
  body.n_levels = int(plan.levels.size() - first);
  for (int k = 0; k < body.n_levels; ++k) body.levels[k] = plan.levels[first + k];
  body.n_steps = int(plan.tau[1].size());
  for (int k = 0; k < body.n_steps; ++k) body.tau[k] = plan.tau[1][k];
  body.r = r, body.solve = plan.solve, body.n_coarsest = plan.n_coarsest, body.solution = plan.solution;
  return body;
}

template <class Queue, class T>
void run_multilevel_cycle(Queue& queue, const cycle_plan& plan, const T* r, double factor, double last,
                          bool keep, T* z) {
  if (plan.levels.empty()) {
    queue.run(
        multilevel_solve_body<T>{plan.solve, plan.n_coarsest, r, T(factor), T(last), keep, plan.solution, z});
    return;
  }
  const auto steps = [&](std::size_t k) {
    const std::vector<float>& tau = plan.tau[k > 0];
    return level_steps{tau.data(), int(tau.size())};
  };
  const std::size_t bottom = bottom_of(plan);
  with_faces_of(plan.levels[0].A,
                [&]<class Faces>() { sweep_down<Faces>(queue, plan.levels[0], steps(0), r, T(factor)); });
  const float* b = plan.levels[0].coarse;
  for (std::size_t k = 1; k < bottom; b = plan.levels[k++].coarse)
    if (plan.levels[k].inverse)
      with_faces_of(plan.levels[k].A,
                    [&]<class Faces>() { sweep_down<Faces>(queue, plan.levels[k], steps(k), b, 1.0f); });
    else
      restrict_axes(queue, plan.levels[k], 0, b);
  queue.run(bottom_body(plan, bottom, b));
  const auto below = [&](std::size_t k) {
    return k < plan.levels.size() ? solution_of(plan.levels[k], steps(k).count) : plan.solution;
  };
  for (std::size_t k = bottom; k-- > 1;)
    if (plan.levels[k].inverse)
      with_faces_of(plan.levels[k].A, [&]<class Faces>() {
        sweep_up<Faces, Queue, float>(queue, plan.levels[k], steps(k), below(k + 1), 1.0f, nullptr, below(k));
      });
    else
      prolong_axes(queue, plan.levels[k], below(k + 1));
  with_faces_of(plan.levels[0].A, [&]<class Faces>() {
    sweep_up<Faces>(queue, plan.levels[0], steps(0), below(1), T(last), keep ? r : nullptr, z);
  });
}

}  // namespace pysolve::PYSOLVE_BACKEND
