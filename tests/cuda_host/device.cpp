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

// Threads of a block (a power of two, 32 to 256) and most blocks of the launches of this thread to come.
extern "C" __attribute__((visibility("default"))) void simulate(int threads, std::int64_t most_blocks) {
  simulated::state.threads = threads;
  simulated::state.most_blocks = most_blocks;
}
