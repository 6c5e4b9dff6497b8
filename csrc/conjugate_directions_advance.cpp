// One step of conjugate gradients on a stencil operator with z = M r, composed of its parts.
#include <cmath>
#include <limits>

#include "conjugate_directions.hpp"
#include "instantiate.hpp"

namespace pysolve::cpu {

template <class T>
void conjugate_directions_advance_stencil(const grid<T>& A, const T* z, T* x, T* r, T* p, double* state,
                                          index_t n_state, double*) {
  const auto n_steps = index_t(state[advance::n_steps]);
  if (state[advance::end] != 0 || n_steps >= n_state - advance::norms) return;
  const auto ends = [&](run_end end) { state[advance::end] = double(int(end)); };
  const double rho = conjugate_directions_dot(r, z, A.size()), before = state[advance::rho];
  state[advance::rho] = rho;
  state[advance::beta] = before > 0 ? rho / before : 0;
  const energy_report found = conjugate_directions_toward_stencil(A, z, state[advance::beta], p);
  const bool tells = found.pp > 0 && rho > 0;
  const double curvature = tells ? found.pAp / found.pp : std::numeric_limits<double>::quiet_NaN();
  const double alpha = found.pAp > state[advance::floor] * found.pp ? rho / found.pAp : 0;
  state[advance::curvature] = curvature;
  state[advance::alpha] = alpha;
  if (!(alpha > 0 && std::isfinite(T(alpha))))
    return ends(std::isfinite(curvature) ? run_end::not_positive : run_end::not_finite);
  const double rr = conjugate_directions_along_stencil(A, alpha, x, r, p), norm = std::sqrt(rr);
  state[advance::norms + n_steps] = norm;
  state[advance::n_steps] = double(n_steps + 1);
  if (!std::isfinite(rr)) return ends(run_end::not_finite);
  if (norm <= state[advance::tolerance]) ends(run_end::tolerance);
}

#define PYSOLVE_INSTANTIATE(T)                                                                               \
  template void conjugate_directions_advance_stencil(const grid<T>&, const T*, T*, T*, T*, double*, index_t, \
                                                     double*);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
