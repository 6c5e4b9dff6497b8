// Launches, sums and errors of the CUDA backend. The host compiler sees only device_count.
#pragma once

namespace pysolve::cuda {

// Devices of this machine; 0 without a driver.
int device_count() noexcept;

}  // namespace pysolve::cuda

#if defined(__CUDACC__)
#include <cuda_runtime.h>

#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

#include "device_body.hpp"

namespace pysolve::cuda {

// The stream that every kernel runs on. For now the legacy default stream of the current device: it waits for, and
// holds back, what CuPy and PyTorch do on their default streams, so that arrays are complete on both sides. A stream
// of the caller's own would be taken from __cuda_array_interface__ and passed down to here.
inline cudaStream_t current_stream() { return cudaStreamLegacy; }

// Becomes Python's MemoryError.
class out_of_memory : public std::bad_alloc {
 public:
  explicit out_of_memory(std::string text) : text_(std::move(text)) {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

// Throws what went wrong in kernel `name`. Kernels that return no sum are not waited for: a fault in one shows at the
// next call that waits.
inline void check(cudaError_t error, const char* name, index_t bytes = 0) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // or the next launch would report it again
  // A missing driver is reported as one that is too old.
  if (error == cudaErrorNoDevice || error == cudaErrorInsufficientDriver)
    throw std::runtime_error(std::string(name) + ": this machine has no CUDA device that can be used (" +
                             cudaGetErrorString(error) + ")");
  if (error == cudaErrorMemoryAllocation)
    throw out_of_memory(std::string(name) + ": out of device memory" +
                        (bytes ? ", " + std::to_string(bytes) + " bytes were asked for" : ""));
  throw std::runtime_error(std::string(name) + ": CUDA: " + cudaGetErrorString(error) + " (" +
                           cudaGetErrorName(error) + ")");
}

// The place of a thread in a launch of the device (see device_body.hpp).
struct device_place {
  __device__ int thread() const { return int(threadIdx.x); }
  __device__ int block_threads() const { return int(blockDim.x); }
  __device__ index_t block() const { return blockIdx.x; }
  __device__ index_t n_blocks() const { return gridDim.x; }
  __device__ void sync() const { __syncthreads(); }
  template <class S>
  __device__ S shuffle_down(const S& v, int offset) const {
    static_assert(sizeof(S) % sizeof(unsigned) == 0);
    unsigned words[sizeof(S) / sizeof(unsigned)];
    memcpy(words, &v, sizeof v);
    for (unsigned& word : words) word = __shfl_down_sync(0xffffffffu, word, offset);
    S from;
    memcpy(&from, words, sizeof from);
    return from;
  }
};

template <class Body>
__global__ void __launch_bounds__(block_threads) body_kernel(const __grid_constant__ Body body) {
  body(device_place());
}

// First and second stage of a sum: part[block] = sum over the block of what its threads return.
template <class Body>
__global__ void __launch_bounds__(block_threads)
    sum_kernel(const __grid_constant__ Body body, typename Body::result* part) {
  using S = typename Body::result;
  __shared__ alignas(16) unsigned char memory[max_warps * sizeof(S)];
  const device_place at;
  const S total = block_sum(at, S(body(at)), reinterpret_cast<S*>(memory));
  if (at.thread() == 0) part[at.block()] = total;
}

// Device memory of one call. Freed after the call's last wait: the pool gives memory back to the system when the
// stream is waited for and all of it is free, and would have to ask for it again in every call.
template <class S>
class scratch {
 public:
  scratch(index_t count, const char* name) {
    const std::size_t bytes = std::size_t(count) * sizeof(S);
    void* p = nullptr;
    check(cudaMallocAsync(&p, bytes, current_stream()), name, index_t(bytes));
    data_ = static_cast<S*>(p);
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch() { cudaFreeAsync(data_, current_stream()); }
  S* data() const { return data_; }

 private:
  S* data_;
};

// Launches the bodies of one call, in order, on the stream; `name` is the kernel that errors name.
class queue {
 public:
  explicit queue(const char* name) : name_(name) {}

  // block_threads threads a block, body.n_blocks() blocks. A body that sums may be run too: its sum is dropped.
  template <class Body>
  void run(const Body& body) {
    body_kernel<<<unsigned(body.n_blocks()), block_threads, 0, current_stream()>>>(body);
    check(cudaGetLastError(), name_);
  }

  // The sum over all bodies and their threads: by block, then over the blocks by one block. Waits for it.
  template <class Body, class... Bodies>
  typename Body::result sum(const Body& body, const Bodies&... bodies) {
    using S = typename Body::result;
    index_t count = (body.n_blocks() + ... + bodies.n_blocks());
    const scratch<S> part(count + 1, name_);
    S* next = part.data();
    ((next = sum_blocks(body, next)), ..., (next = sum_blocks(bodies, next)));
    sum_blocks(total_body<S>{part.data(), count}, next);
    alignas(S) unsigned char result[sizeof(S)];
    check(cudaMemcpyAsync(result, next, sizeof(S), cudaMemcpyDeviceToHost, current_stream()), name_);
    check(cudaStreamSynchronize(current_stream()), name_);
    S total;
    std::memcpy(&total, result, sizeof total);
    return total;
  }

 private:
  template <class Body, class S>
  S* sum_blocks(const Body& body, S* part) {
    sum_kernel<<<unsigned(body.n_blocks()), block_threads, 0, current_stream()>>>(body, part);
    check(cudaGetLastError(), name_);
    return part + body.n_blocks();
  }
  const char* name_;
};

}  // namespace pysolve::cuda
#endif
