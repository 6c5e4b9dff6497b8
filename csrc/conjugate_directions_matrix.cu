// Runs of conjugate gradients on stored matrices; their bodies are in conjugate_directions_matrix_body.hpp.
#include "conjugate_directions_matrix_body.hpp"
#include "cuda.cuh"
#include "instantiate.hpp"

namespace pysolve::cuda {
namespace {

template <class System>
void run_stored(const char* name, const System& system, double* norms, run_state& state) {
  queue q(name);
  const scratch<run_numbers> numbers(1, name);
  const sum_memory<pair_sum> sums(name);
  run_cg<lookout<run_numbers>>(q, sums, numbers.data(), system, norms, state);
}

}  // namespace

// A thread for each unknown, or 1 to 32 for each row (see csr_body.hpp).
template <class I, class T>
void conjugate_directions_run_csr(const csr<I, T>& A, const real_t<T>* inverse_diagonal, T* x, T* r, T* p,
                                  T* q, double* norms, run_state& state) {
  const stored_system<csr<I, device_t<T>>> system{on_device(A), inverse_diagonal, on_device(x),
                                                  on_device(r), on_device(p),     on_device(q)};
  run_stored("conjugate_directions_run_csr", system, norms, state);
}

// A thread for each unknown.
template <class T>
void conjugate_directions_run_sell(const sell<T>& A, const real_t<T>* inverse_diagonal, T* x, T* r, T* p,
                                   T* q, double* norms, run_state& state) {
  const stored_system<sell<device_t<T>>> system{on_device(A), inverse_diagonal, on_device(x),
                                                on_device(r), on_device(p),     on_device(q)};
  run_stored("conjugate_directions_run_sell", system, norms, state);
}

#define PYSOLVE_INSTANTIATE_RUN(I, T)                                                                     \
  template void conjugate_directions_run_csr(const csr<I, T>&, const real_t<T>*, T*, T*, T*, T*, double*, \
                                             run_state&);
PYSOLVE_FOR_INDEX_VALUE(PYSOLVE_INSTANTIATE_RUN)
#define PYSOLVE_INSTANTIATE(T)                                                                           \
  template void conjugate_directions_run_sell(const sell<T>&, const real_t<T>*, T*, T*, T*, T*, double*, \
                                              run_state&);
PYSOLVE_FOR_VALUE(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cuda
