#include "sor_stencil.hpp"

#include "instantiate.hpp"
namespace pysolve::cpu {
template <class T>
void sor_precondition_stencil(const grid<T>&, double, const T*, T*) {}
template <class T>
void ssor_cg_run_stencil(const grid<T>&, double, T*, T*, T*, double*, run_state&) {}
#define PYSOLVE_INSTANTIATE(T)                                                  \
  template void sor_precondition_stencil(const grid<T>&, double, const T*, T*); \
  template void ssor_cg_run_stencil(const grid<T>&, double, T*, T*, T*, double*, run_state&);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)
}  // namespace pysolve::cpu
