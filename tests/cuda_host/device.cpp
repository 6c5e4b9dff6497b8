// What the simulated CUDA backend says of the machine: the host is its one device.
#include "simulated.hpp"

#include <map>

namespace pysolve::cuda {
namespace {

thread_local std::map<const void*, int>
    elsewhere;  // memory that tests say is another device's, or the host's
thread_local int current_device = 0;

}  // namespace

int device_count() noexcept { return 1; }
int device_of(const void* data) noexcept {
  const auto found = elsewhere.find(data);
  return found == elsewhere.end() ? 0 : found->second;
}
int use_device(int device) noexcept {
  const int before = current_device;
  current_device = device;
  return before == device ? unknown_device : before;
}

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

// Says on which device memory is: -2 the host.
extern "C" __attribute__((visibility("default"))) void place_memory(const void* data, int device) {
  pysolve::cuda::elsewhere[data] = device;
}
extern "C" __attribute__((visibility("default"))) int device_in_use() {
  return pysolve::cuda::current_device;
}
extern "C" __attribute__((visibility("default"))) int device_of_last_launch() {
  return simulated::state.device;
}
