// One axis of a box, for the kernels of multilevel that join pairs of cells along it.
#pragma once
#include "multilevel.hpp"
#include "shared.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// The box as `outer` slabs of n cells along the axis, each a run of `inner` values next to each other.
struct slabs {
  index_t outer = 1, n, inner = 1, n_pairs;
  bool periodic;
  explicit slabs(const pairing& p) : n(p.n[p.axis]), n_pairs(p.n_pairs()), periodic(p.periodic) {
    for (int a = 0; a < p.axis; ++a) outer *= p.n[a];
    for (int a = p.axis + 1; a < 3; ++a) inner *= p.n[a];
  }
  // The pair before and after pair I, or -1.
  PYSOLVE_SHARED index_t before(index_t I) const { return I > 0 ? I - 1 : periodic ? n_pairs - 1 : -1; }
  PYSOLVE_SHARED index_t after(index_t I) const { return I + 1 < n_pairs ? I + 1 : periodic ? 0 : -1; }
  // The high and low cell of pair I, or -1.
  PYSOLVE_SHARED index_t high(index_t I) const { return I >= 0 && 2 * I + 1 < n ? 2 * I + 1 : -1; }
  PYSOLVE_SHARED index_t low(index_t I) const { return I >= 0 ? 2 * I : -1; }
};

// fine = P coarse (or fine += scale P coarse) in the cells [begin, end) along axis 0.
void prolong_runs(const pairing& p, const float* alpha, const float* coarse, float scale, bool add,
                  float* fine, index_t begin, index_t end);

}  // namespace pysolve::PYSOLVE_BACKEND
