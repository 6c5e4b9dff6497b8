// What the CUDA backend asks of the machine, rather than computes.
#include "cuda.cuh"

namespace pysolve::cuda {
namespace {

std::string in_words(cudaError_t error) {
  return std::string(cudaGetErrorString(error)) + ", " + cudaGetErrorName(error);
}

std::string version(int number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

// Why there is no device: the runtime reports a missing driver as one that is too old.
std::string why_no_device(cudaError_t error) {
  int driver = 0;
  if (error == cudaErrorNoDevice) return in_words(error);
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) return "there is no NVIDIA driver";
  return "its driver is for CUDA " + version(driver) + ", this build needs one for " +
         version(CUDART_VERSION);
}

// Errors after which every call in this process fails.
bool is_lasting(cudaError_t error) {
  constexpr cudaError_t lasting[] = {cudaErrorIllegalAddress,
                                     cudaErrorLaunchFailure,
                                     cudaErrorLaunchTimeout,
                                     cudaErrorHardwareStackError,
                                     cudaErrorIllegalInstruction,
                                     cudaErrorMisalignedAddress,
                                     cudaErrorInvalidAddressSpace,
                                     cudaErrorInvalidPc,
                                     cudaErrorAssert,
                                     cudaErrorECCUncorrectable,
                                     cudaErrorNvlinkUncorrectable,
                                     cudaErrorContextIsDestroyed,
                                     cudaErrorMpsClientTerminated,
                                     cudaErrorUnknown,
                                     cudaErrorContained,
                                     cudaErrorCudartUnloading,
                                     cudaErrorTensorMemoryLeak,
                                     cudaErrorExternalDevice};
  for (cudaError_t one : lasting)
    if (error == one) return true;
  return false;
}

// Host memory that the device writes to by itself.
struct pinned_memory {
  unsigned char* data = nullptr;
  ~pinned_memory() {
    if (data) cudaFreeHost(data);
  }
};

}  // namespace

int device_count() noexcept {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  cudaGetLastError();
  return 0;
}

void fail(cudaError_t error, const char* name, index_t bytes) {
  cudaGetLastError();  // or the next launch would report it again
  const std::string kernel = name;
  if (error == cudaErrorNoDevice || error == cudaErrorInsufficientDriver)
    throw std::runtime_error(kernel + ": this machine has no CUDA device that can be used (" +
                             why_no_device(error) + ")");
  if (error == cudaErrorNoKernelImageForDevice)
    throw std::runtime_error(kernel + ": this build has no code for a device of this kind");
  if (error == cudaErrorMemoryAllocation)
    throw out_of_memory(
        kernel + ": out of device memory" +
        (bytes ? ", " + std::to_string(bytes) + " bytes were asked for" : "") +
        "; CuPy may hold blocks that are free: cupy.get_default_memory_pool().free_all_blocks()");
  if (is_lasting(error))
    throw std::runtime_error(kernel + ": the device has failed, and does nothing more for this process (" +
                             in_words(error) + ")");
  throw std::runtime_error(kernel + ": CUDA: " + in_words(error));
}

void check_shared_bytes(index_t bytes, const char* name) {
  int device = 0, most = 0;
  check(cudaGetDevice(&device), name);
  check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), name);
  if (bytes > most)
    throw std::runtime_error(std::string(name) + ": this device gives a block " + std::to_string(most) +
                             " bytes of shared memory, and the kernel needs " + std::to_string(bytes) +
                             ": it is written for those of data centres (A100, H100 and later)");
}

unsigned grid_blocks(index_t n_blocks, const char* name) {
  if (n_blocks < 1 || n_blocks > 0x7fffffff)
    throw std::length_error(std::string(name) + ": " + std::to_string(n_blocks) +
                            " blocks cannot be launched");
  return unsigned(n_blocks);
}

unsigned char* lookout_memory(const char* name) {
  thread_local pinned_memory kept;
  void* p = kept.data;
  if (!p) check(cudaHostAlloc(&p, lookout_bytes, cudaHostAllocPortable), name, lookout_bytes);
  return kept.data = static_cast<unsigned char*>(p);
}

int device_of(const void* data) noexcept {
  cudaPointerAttributes found;
  if (cudaPointerGetAttributes(&found, data) != cudaSuccess) {
    cudaGetLastError();
    return unknown_device;
  }
  const bool on_device = found.type == cudaMemoryTypeDevice || found.type == cudaMemoryTypeManaged;
  return on_device ? found.device : host_memory;
}

int use_device(int device) noexcept {
  int before = device;
  if (cudaGetDevice(&before) != cudaSuccess || before == device) return unknown_device;
  return cudaSetDevice(device) == cudaSuccess ? before : unknown_device;
}

}  // namespace pysolve::cuda
