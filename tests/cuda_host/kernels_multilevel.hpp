// The kernels of multilevel for kernels.cpp, which includes this where its table, at and grid_of are known.
#pragma once
#include "multilevel_cycle.hpp"

namespace {

// Numbers come in double, after the arrays.
template <class T>
void add_multilevel(const std::string& types) {
  table["multilevel_narrow_" + types] = [](const index_t* n, void* const* a, double*) {
    const double* numbers = at<double>(a[1]);
    cuda::multilevel_narrow(at<T>(a[0]), numbers[0], float(numbers[1]), at<float>(a[2]), n[0]);
  };
  table["multilevel_descend_" + types] = [](const index_t* n, void* const* a, double* out) {
    const double* numbers = at<double>(a[12]);
    const auto report = cuda::multilevel_descend(grid_of<float>(n, a), at<T>(a[6]), numbers[0],
                                                 at<float>(a[7]), at<float>(a[8]), int(numbers[1]),
                                                 at<float>(a[9]), at<float>(a[10]), at<float>(a[11]));
    out[0] = report.largest;
    out[1] = report.solid;
  };
  table["multilevel_ascend_" + types] = [](const index_t* n, void* const* a, double*) {
    const double* numbers = at<double>(a[14]);
    cuda::multilevel_ascend(grid_of<float>(n, a), at<float>(a[6]), at<float>(a[7]), float(numbers[0]),
                            at<float>(a[8]), at<float>(a[9]), at<float>(a[10]), int(numbers[2]),
                            at<float>(a[11]), at<float>(a[12]), numbers[1], at<T>(a[13]));
  };
}

// Of each level: 14 sizes (a grid, n_axes, axes), 15 arrays (a grid, D, u, x, y, half, coarse, alpha of each axis).
cycle_plan plan_of(index_t n_levels, const index_t* n, void* const* a, const double* scales) {
  cycle_plan plan;
  for (index_t k = 0; k < n_levels; ++k, n += 14, a += 15) {
    cycle_level level{
        grid_of<float>(n, a), at<float>(a[6]),  float(scales[k]), 0, {}, at<float>(a[7]), at<float>(a[8]),
        at<float>(a[9]),      at<float>(a[10]), at<float>(a[11])};
    for (index_t t = 0; t < n[10]; ++t) level.add_transfer(int(n[11 + t]), at<float>(a[12 + t]));
    plan.levels.push_back(level);
  }
  return plan;
}

template <class T>
void add_multilevel_cycle(const std::string& types) {
  table["multilevel_cycle_" + types] = [](const index_t* n, void* const* a, double*) {
    const double* numbers = at<double>(a[6]);
    cycle_plan plan = plan_of(n[0], n + 5, a + 7, numbers + 2);
    for (int k = 0; k < 2; ++k) plan.tau[k].assign(at<float>(a[4 + k]), at<float>(a[4 + k]) + n[2 + k]);
    plan.n_coarsest = n[1], plan.solve = at<float>(a[2]), plan.solution = at<float>(a[3]);
    cuda::multilevel_cycle(plan, at<T>(a[0]), numbers[0], numbers[1], n[4] != 0, at<T>(a[1]));
  };
}

pairing pairing_of(const index_t* n) { return {{n[0], n[1], n[2]}, int(n[3]), n[4] != 0}; }

void add_multilevel_of_one_type() {
  table["multilevel_cells"] = [](const index_t* n, void* const* a, double*) {
    cuda::multilevel_cells(grid_of<float>(n, a), {at<float>(a[6])}, {at<float>(a[7])}, at<float>(a[8]),
                           at<float>(a[9]));
  };
  table["multilevel_join"] = [](const index_t* n, void* const* a, double*) {
    cuda::multilevel_join(pairing_of(n), at<float>(a[0]), at<float>(a[1]), at<float>(a[2]), at<float>(a[3]));
  };
  table["multilevel_add"] = [](const index_t* n, void* const* a, double*) {
    cuda::multilevel_add(pairing_of(n), at<float>(a[0]), at<float>(a[1]));
  };
  table["multilevel_restrict"] = [](const index_t* n, void* const* a, double*) {
    cuda::multilevel_restrict(pairing_of(n), at<float>(a[0]), at<float>(a[1]), at<float>(a[2]));
  };
  table["multilevel_prolong"] = [](const index_t* n, void* const* a, double*) {
    cuda::multilevel_prolong(pairing_of(n), at<float>(a[0]), at<float>(a[1]), float(*at<double>(a[3])),
                             n[5] != 0, at<float>(a[2]));
  };
}

}  // namespace
