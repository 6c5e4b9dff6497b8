// stencil_project_out as bodies: the sums over the components, then every cell less the mean of its own. 2 v + 8 bytes a
// cell, which memory is to bound; with many components the sums wait for memory instead.
#pragma once
#include "device_body.hpp"
#include "stencil.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// The sum over a component and its number of cells.
struct mean_sums {
  double sum = 0, cells = 0;
  PYSOLVE_BODY mean_sums& operator+=(const mean_sums& o) {
    sum += o.sum;
    cells += o.cells;
    return *this;
  }
  PYSOLVE_BODY double mean() const { return cells > 0 ? sum / cells : 0; }
};

// Sums of several components in one pass: more would cost registers.
constexpr int components_at_once = 4;
struct component_sums {
  mean_sums of[components_at_once];
  PYSOLVE_BODY component_sums& operator+=(const component_sums& o) {
    for (int k = 0; k < components_at_once; ++k) of[k] += o.of[k];
    return *this;
  }
};

// The means are in memory before they are subtracted: a division for each cell would cost registers.
struct store_means {
  double* mean;
  PYSOLVE_BODY void operator()(const component_sums& sums) const {
    for (int k = 0; k < components_at_once; ++k) mean[k] = sums.of[k].mean();
  }
};

// Of few components: one pass, one thread for each cell.
template <class T>
struct few_components_body {
  using result = component_sums;
  const std::int32_t* label;
  const T* d;
  index_t n;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE result operator()(const Place& at) const {
    result sums;
    over_elements(at, n, [&](index_t c) {
      for (int k = 0; k < components_at_once; ++k)
        if (label[c] == k) sums.of[k] += mean_sums{double(d[c]), 1};
    });
    return sums;
  }
};

// Of many: each thread that takes part has sums of its own for all components, over a stretch of cells; part[component]
// [thread], 0 before.
template <class T>
struct many_components_body {
  const std::int32_t* label;
  const T* d;
  index_t n, count, takers;
  mean_sums* part;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(takers, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, takers, [&](index_t t) {
      for (index_t c = t * n / takers; c < (t + 1) * n / takers; ++c)
        if (label[c] >= 0 && label[c] < count) part[label[c] * takers + t] += mean_sums{double(d[c]), 1};
    });
  }
};

// The sums of all takers, in their order: mean[component].
struct gather_components_body {
  const mean_sums* part;
  index_t count, takers;
  double* mean;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(count, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, count, [&](index_t k) {
      mean_sums total;
      for (index_t t = 0; t < takers; ++t) total += part[k * takers + t];
      mean[k] = total.mean();
    });
  }
};

template <class T>
struct subtract_means_body {
  const std::int32_t* label;
  const double* mean;
  index_t count;
  T* d;
  index_t n;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, n, [&](index_t c) {
      if (label[c] >= 0 && label[c] < count) d[c] -= T(mean[label[c]]);
    });
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
