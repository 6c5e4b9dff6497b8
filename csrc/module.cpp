// The extension module of one backend: every stem's names, and how the module was built.
#include "bind.hpp"
#include "simd.hpp"
#if defined(_OPENMP)
#include <omp.h>
#endif

namespace py = pybind11;

namespace pysolve::bind {
void bind_csr(kernel_module& m);
void bind_sell(kernel_module& m);
void bind_stencil(kernel_module& m);
void bind_kron(kernel_module& m);
void bind_conjugate_directions(kernel_module& m);
void bind_multilevel(kernel_module& m);
void bind_direction_net(kernel_module& m);
void bind_sor(kernel_module& m);
void bind_matrix_completion(kernel_module& m);
}  // namespace pysolve::bind

namespace {

// The instruction set that the kernels marked PYSOLVE_CLONES run with on this machine.
const char* instruction_set() {
#if defined(PYSOLVE_HAS_CLONES)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    return "x86-64-v4";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "x86-64-v3";
  return "x86-64";
#else
  return "baseline";
#endif
}

int openmp_threads() {
#if defined(_OPENMP)
  return omp_get_max_threads();
#else
  return 0;
#endif
}

}  // namespace

PYBIND11_MODULE(PYSOLVE_MODULE, module, py::mod_gil_not_used()) {
  pysolve::bind::kernel_module m(module);
  m.doc() = "Compiled kernels of pysolve: one name per kernel, the same on every backend";
  pysolve::bind::bind_csr(m);
  pysolve::bind::bind_sell(m);
  pysolve::bind::bind_stencil(m);
  pysolve::bind::bind_kron(m);
  pysolve::bind::bind_conjugate_directions(m);
  pysolve::bind::bind_multilevel(m);
  pysolve::bind::bind_direction_net(m);
  pysolve::bind::bind_sor(m);
  pysolve::bind::bind_matrix_completion(m);
  m.attr("version") = PYSOLVE_VERSION;
  m.attr("compiler") = __VERSION__;
  m.def("instruction_set", &instruction_set, "Instruction set that the kernels run with here");
  m.def("openmp_threads", &openmp_threads, "Threads that OpenMP allows the caller; 0 without OpenMP");
#if defined(PYSOLVE_BACKEND_cuda)
  m.def("device_count", &pysolve::cuda::device_count, "Usable devices; 0 without a driver");
#endif
}
