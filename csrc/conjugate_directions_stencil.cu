// Conjugate gradients on stencil operators; the bodies are in conjugate_directions_stencil_body.hpp and _advance_body.hpp.
#include <optional>

#include "conjugate_directions_advance_body.hpp"
#include "conjugate_directions_stencil_body.hpp"
#include "cuda.cuh"
#include "instantiate.hpp"

namespace pysolve::cuda {

// One thread for each unknown, then one block.
template <class T>
double conjugate_directions_dot(const T* r, const T* z, index_t n) {
  return queue("conjugate_directions_dot").sum(dot_body<T>{r, z, n, {}});
}

// One thread for each unknown; then pieces of rows, as in stencil_matvec.
template <class T>
energy_report conjugate_directions_toward_stencil(const grid<T>& A, const T* z, double beta, T* p) {
  queue q("conjugate_directions_toward_stencil");
  q.run(toward_body<T>{z, p, A.size(), {beta}, {}});
  const pair_sum found = with_weights(A, [&]<class W>() { return q.sum(energy_body<W, T>{A, p, {}}); });
  return {found.second, found.first};
}

template <class T>
double conjugate_directions_along_stencil(const grid<T>& A, double alpha, T* x, T* r, const T* p) {
  queue q("conjugate_directions_along_stencil");
  return with_weights(A, [&]<class W>() { return q.sum(along_body<W, T>{A, x, r, p, {alpha}, {}}); });
}

// Four launches.
template <class T>
void conjugate_directions_advance_stencil(const grid<T>& A, const T* z, T* x, T* r, T* p, double* state,
                                          index_t n_state, double* work) {
  queue q("conjugate_directions_advance_stencil");
  run_advance(q, A, z, x, r, p, state, n_state, work);
}

// Two launches a step, pieces of rows as in stencil_matvec.
template <class T>
void conjugate_directions_run_stencil(const grid<T>& A, const T* inverse_diagonal, T* x, T* r, T* p, T* q,
                                      double* norms, run_state& state) {
  constexpr const char* name = "conjugate_directions_run_stencil";
  queue launches(name);
  const scratch<run_numbers> numbers(1, name);
  const sum_memory<pair_sum> sums(name);
  std::optional<scratch<T>> own;
  if (!q) own.emplace(A.size(), name);
  const stencil_system<T> system{A, inverse_diagonal, x, r, p, q ? q : own->data()};
  run_cg<lookout<run_numbers>>(launches, sums, numbers.data(), system, norms, state);
}

#define PYSOLVE_INSTANTIATE(T)                                                                               \
  template double conjugate_directions_dot(const T*, const T*, index_t);                                     \
  template energy_report conjugate_directions_toward_stencil(const grid<T>&, const T*, double, T*);          \
  template double conjugate_directions_along_stencil(const grid<T>&, double, T*, T*, const T*);              \
  template void conjugate_directions_advance_stencil(const grid<T>&, const T*, T*, T*, T*, double*, index_t, \
                                                     double*);                                               \
  template void conjugate_directions_run_stencil(const grid<T>&, const T*, T*, T*, T*, T*, double*,          \
                                                 run_state&);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cuda
