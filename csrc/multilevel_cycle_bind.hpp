// The binding of multilevel_cycle, which is CUDA's alone.
#pragma once
#include "multilevel_cycle.hpp"
#include "stencil_bind.hpp"

namespace pysolve::bind {

// The plan, and the arrays that it looks into, kept alive.
struct plan_handle {
  cycle_plan plan;
  py::tuple owners;
};

inline index_t size_of(const index_t n[3]) { return n[0] * n[1] * n[2]; }

// u, x, y (without sweeps x alone), half and coarse.
inline void take_work_space(cycle_level& level, const py::tuple& work) {
  const axis_transfer &first = level.to[0], &last = level.to[level.n_axes - 1];
  const auto below = [](const axis_transfer& t) { return t.n_coarse(0) * t.n_coarse(1) * t.n_coarse(2); };
  if (work.size() != 5) throw py::value_error("work must be (u, x, y, half, coarse)");
  const auto array = [&](int k, const char* name, index_t size) {
    return view<float>(work[k], name, size).data;
  };
  level.x = array(1, "x", level.A.size());
  level.coarse = array(4, "coarse", below(last));
  if (!level.inverse) return;
  level.u = array(0, "u", level.A.size());
  level.y = array(2, "y", level.A.size());
  if (first.axis == 0 && level.n_axes > 1) level.half = array(3, "half", below(first));
}

inline cycle_level level_of(const py::tuple& parts) {
  if (parts.size() != 6) throw py::value_error("a level must be (grid, inverse, scale, axes, alphas, work)");
  const auto* A = std::get_if<grid<float>>(&parts[0].cast<const stencil_handle&>().view);
  if (!A) throw py::type_error("grid must have dtype f4");
  cycle_level level{*A, nullptr, parts[2].cast<float>(), 0, {}, nullptr, nullptr, nullptr, nullptr, nullptr};
  if (!parts[1].is_none()) level.inverse = view<const float>(parts[1], "inverse", A->size()).data;
  const auto axes = parts[3].cast<py::tuple>(), alphas = parts[4].cast<py::tuple>();
  if (axes.size() < 1 || axes.size() > 3 || axes.size() != alphas.size())
    throw py::value_error("axes must name one to three axes, and alphas hold an array for each");
  for (std::size_t t = 0; t < axes.size(); ++t) {
    const int axis = axes[t].cast<int>();
    if (axis < 0 || axis > 2 || (t > 0 && axis <= level.to[t - 1].axis))
      throw py::value_error("axes must be 0, 1 or 2, and rise");
    level.add_transfer(axis, nullptr);
    level.to[t].alpha = view<const float>(alphas[t], "alpha", size_of(level.to[t].n)).data;
  }
  if (!level.inverse && axes.size() > 1 && level.to[0].axis == 0)
    throw py::value_error("a level of the first axis and others must have sweeps");
  take_work_space(level, parts[5].cast<py::tuple>());
  return level;
}

inline std::vector<float> steps_in(py::handle tau) {
  const vec<const float> t = host_view<const float>(tau, "tau");
  if (t.size < 2 || t.size > max_steps) throw py::value_error("tau must hold 2 to 16 steps a level");
  return {t.data, t.data + t.size};
}

inline plan_handle make_plan(const py::list& levels, const py::tuple& tau, py::object solve,
                             py::object solution) {
  plan_handle handle{{}, py::make_tuple(levels, solve, solution)};
  cycle_plan& plan = handle.plan;
  if (tau.size() != 2)
    throw py::value_error("tau must hold the steps of the finest level, and of the others");
  for (int k = 0; k < 2; ++k) plan.tau[k] = steps_in(tau[k]);
  for (py::handle level : levels) plan.levels.push_back(level_of(level.cast<py::tuple>()));
  for (std::size_t k = 1; k < plan.levels.size(); ++k) {
    const cycle_level& above = plan.levels[k - 1];
    for (int a = 0; a < 3; ++a)
      if (plan.levels[k].A.n[a] != above.to[above.n_axes - 1].n_coarse(a))
        throw py::value_error("every level must be the box that the one before it leads to");
  }
  if (!plan.levels.empty() && !plan.levels[0].inverse)
    throw py::value_error("the finest level must have sweeps");
  const vec<float> x = view<float>(solution, "solution");
  plan.n_coarsest = x.size, plan.solution = x.data;
  plan.solve = view<const float>(solve, "solve", x.size * x.size).data;
  return handle;
}

inline void run_cycle(const plan_handle& handle, py::handle r, double factor, double last, bool keep,
                      py::handle z) {
  const cycle_plan& plan = handle.plan;
  const index_t n = plan.levels.empty() ? plan.n_coarsest : plan.levels[0].A.size();
  with_real(r, "r", [&]<class T>() {
    const vec<const T> in = view<const T>(r, "r", n);
    const vec<T> out = view<T>(z, "z", n);
    without_gil([&] { PYSOLVE_BACKEND::multilevel_cycle(plan, in.data, factor, last, keep, out.data); });
  });
}

inline void bind_multilevel_cycle(kernel_module& m) {
  using py::arg;
  py::class_<plan_handle>(m, "MultilevelPlan", "The levels of a V-cycle, and its work space");
  m.def("multilevel_plan", &make_plan,
        "Levels (grid, inverse or None, scale, axes, alphas, (u, x, y, half, coarse)), the finest first; "
        "steps of the "
        "finest and of the others; the inverse on the coarsest box, and room for its solution",
        arg("levels"), arg("tau"), arg("solve"), arg("solution"));
  m.def("multilevel_cycle", &run_cycle,
        "z = last (V-cycle of factor r), 0 in solid cells, or with keep r; waits for nothing", arg("plan"),
        arg("r"), arg("factor"), arg("last"), arg("keep"), arg("z"));
}

}  // namespace pysolve::bind
