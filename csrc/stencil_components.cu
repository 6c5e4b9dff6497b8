// stencil_components and stencil_project_out; the bodies are in stencil_components_body.hpp, stencil_project_out_body.hpp.
#include "cuda.cuh"
#include "instantiate.hpp"
#include "stencil_components_body.hpp"
#include "stencil_project_out_body.hpp"

namespace pysolve::cuda {

// One thread for each cell; to number the components, one for every 16 cells.
template <class T>
index_t stencil_components(const grid<T>& A, std::int32_t* labels) {
  constexpr const char* name = "stencil_components";
  queue q(name);
  scratch<std::int32_t> mark(A.size(), name);
  const scratch<index_t> per_block(max_blocks + 1, name);
  mark.clear();
  index_t* const total = per_block.data() + max_blocks;
  run_components(q, A, labels, mark.data(), per_block.data(), total);
  return q.fetch(total);
}

// One thread for each cell. With many components fewer threads add up, so that their sums have room.
template <class T>
void stencil_project_out(const std::int32_t* labels, index_t n_components, T* d, index_t n) {
  constexpr const char* name = "stencil_project_out";
  constexpr index_t most_sums = 1 << 22;
  queue q(name);
  if (n_components <= components_at_once) {
    const sum_memory<component_sums> sums(name);
    const scratch<double> means(components_at_once, name);
    q.finish(sums, few_components_body<T>{labels, d, n}, store_means{means.data()});
    q.run(subtract_means_body<T>{labels, means.data(), n_components, d, n});
    return;
  }
  const index_t room = most_sums / n_components, takers = room < 1 ? 1 : room < 16384 ? room : 16384;
  scratch<mean_sums> part(n_components * takers, name);
  const scratch<double> means(n_components, name);
  part.clear();
  q.run(many_components_body<T>{labels, d, n, n_components, takers, part.data()});
  q.run(gather_components_body{part.data(), n_components, takers, means.data()});
  q.run(subtract_means_body<T>{labels, means.data(), n_components, d, n});
}

#define PYSOLVE_INSTANTIATE(T)                                        \
  template index_t stencil_components(const grid<T>&, std::int32_t*); \
  template void stencil_project_out(const std::int32_t*, index_t, T*, index_t);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cuda
