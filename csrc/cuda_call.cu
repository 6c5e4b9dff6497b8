// The place of a call: what its arrays say of where they are.
#include "cuda.cuh"

namespace pysolve::cuda {
namespace {

thread_local call* innermost = nullptr;

}  // namespace

call::call() noexcept : outer_(innermost) { innermost = this; }

call::~call() {
  innermost = outer_;
  if (before_ >= 0) use_device(before_);
}

std::uintptr_t call::stream() noexcept {
  return innermost && innermost->stream_ ? innermost->stream_ : legacy_stream;
}

int call::device() noexcept { return innermost ? innermost->device_ : unknown_device; }

std::string call::add(const char* name, const void* data, std::uintptr_t stream) {
  if (!innermost) return "";
  call& now = *innermost;
  if (stream != 0 && now.stream_ != 0 && stream != now.stream_)
    return now.of_stream_ + " and " + name + " name different streams: work on both must be in one";
  if (stream != 0 && now.stream_ == 0) {
    now.stream_ = stream;
    now.of_stream_ = name;
  }
  const int device = data ? device_of(data) : unknown_device;  // without a driver the launch will say so
  if (device == host_memory)
    return std::string(name) + " claims to be a device array, but its memory is the host's";
  return add_device(name, device);
}

std::string call::add_device(const char* name, int device) {
  if (!innermost || device < 0) return "";
  call& now = *innermost;
  if (now.device_ >= 0 && device != now.device_)
    return now.of_device_ + " is on device " + std::to_string(now.device_) + ", but " + name + " on device " +
           std::to_string(device) + ": move one of them";
  if (now.device_ >= 0) return "";
  now.device_ = device;
  now.of_device_ = name;
  now.before_ = use_device(device);
  return "";
}

}  // namespace pysolve::cuda
