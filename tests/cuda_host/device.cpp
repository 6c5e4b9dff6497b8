// What the simulated CUDA backend says of the machine: the host is its one device.
#include "simulated.hpp"

namespace pysolve::cuda {

int device_count() noexcept { return 1; }
int device_of(const void*) noexcept { return 0; }
int use_device(int) noexcept { return unknown_device; }

}  // namespace pysolve::cuda

// The stream of the last launch of this thread: tests ask the module's library for it.
extern "C" __attribute__((visibility("default"))) std::uintptr_t last_stream() {
  return simulated::state.stream;
}
