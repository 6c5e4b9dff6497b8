// What the simulated CUDA backend says of the machine: the host is its one device.
#include "cuda.cuh"

namespace pysolve::cuda {

int device_count() noexcept { return 1; }

}  // namespace pysolve::cuda
