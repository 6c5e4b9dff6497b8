// What the CUDA backend asks of the machine, rather than computes.
#include "cuda.cuh"

namespace pysolve::cuda {

int device_count() noexcept {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  cudaGetLastError();
  return 0;
}

}  // namespace pysolve::cuda
