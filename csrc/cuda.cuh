// Launches, sums and errors of the CUDA backend. The host compiler sees only what the bindings use.
#pragma once
#include <cstdint>
#include <string>

namespace pysolve::cuda {

// Devices of this machine; 0 without a driver.
int device_count() noexcept;

// The device whose memory this is; or that it is the host's, or that it cannot be told.
constexpr int unknown_device = -1, host_memory = -2;
int device_of(const void* data) noexcept;
// Makes it the current device of this thread; returns the one that was, or unknown_device if it is that already.
int use_device(int device) noexcept;

constexpr std::uintptr_t legacy_stream = 1;

// A call of a kernel from Python, on the thread that makes it: it runs on the device and in the stream of its arrays.
// The bindings make one for each call (see kernel_module in bind.hpp) and add the arrays as they look at them; queue
// asks it for the stream. At its end the device that was current before is so again.
class call {
 public:
  call() noexcept;
  call(const call&) = delete;
  ~call();
  // Adds an array whose memory is at `data` (null: it has none), with the stream that it names (0: none). Returns
  // what is wrong: memory that is no device's, another device than that of the arrays before, another stream.
  static std::string add(const char* name, const void* data, std::uintptr_t stream);
  static std::string add_device(const char* name, int device);
  // The stream that the arrays name: 1 the legacy default stream (also where they name none, and outside of calls), 2
  // that of the thread, else a cudaStream_t.
  static std::uintptr_t stream() noexcept;
  static int device() noexcept;

 private:
  call* const outer_;
  std::uintptr_t stream_ = 0;
  int device_ = unknown_device, before_ = unknown_device;
  std::string of_stream_, of_device_;  // the arrays that told
};

}  // namespace pysolve::cuda

#if defined(__CUDACC__)
#include <cuda_runtime.h>

#include <cstring>
#include <new>
#include <stdexcept>

#include "device_body.hpp"

namespace pysolve::cuda {

// 1 and 2 are what the runtime calls these streams too.
inline cudaStream_t current_stream() { return reinterpret_cast<cudaStream_t>(call::stream()); }

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
[[noreturn]] void fail(cudaError_t error, const char* name, index_t bytes);
inline void check(cudaError_t error, const char* name, index_t bytes = 0) {
  if (error != cudaSuccess) fail(error, name, bytes);
}

// A number of blocks as a launch takes it.
unsigned grid_blocks(index_t n_blocks, const char* name);

// The place of a thread in a launch of the device (see device_body.hpp).
struct device_place {
  __device__ int thread() const { return int(threadIdx.x); }
  __device__ int block_threads() const { return int(blockDim.x); }
  __device__ index_t block() const { return blockIdx.x; }
  __device__ index_t n_blocks() const { return gridDim.x; }
  __device__ void sync() const { __syncthreads(); }
  template <class S>
  __device__ S shuffle_down(const S& v, int offset) const {
    return by_words(v, [&](unsigned word) { return __shfl_down_sync(0xffffffffu, word, offset); });
  }
  template <class S>
  __device__ S shuffle(const S& v, int from) const {
    return by_words(v, [&](unsigned word) { return __shfl_sync(0xffffffffu, word, from); });
  }
  template <class S, class F>
  static __device__ S by_words(const S& v, F f) {
    static_assert(sizeof(S) % sizeof(unsigned) == 0);
    unsigned words[sizeof(S) / sizeof(unsigned)];
    memcpy(words, &v, sizeof v);
    for (unsigned& word : words) word = f(word);
    S from;
    memcpy(&from, words, sizeof from);
    return from;
  }
  __device__ std::int32_t load(const std::int32_t* p) const {
    return *static_cast<const volatile std::int32_t*>(p);
  }
  __device__ std::int32_t atomic_min(std::int32_t* p, std::int32_t v) const { return atomicMin(p, v); }
  template <class S, int count, int tag = 0>
  __device__ S* shared() const {
    __shared__ alignas(16) unsigned char memory[count * sizeof(S)];
    return reinterpret_cast<S*>(memory);
  }
  template <class S>
  __device__ S* dynamic_shared() const {
    extern __shared__ uint4 dynamic_memory[];
    return reinterpret_cast<S*>(dynamic_memory);
  }
  // What the block has written is to be seen by whoever finds that it has arrived, and the other way round.
  __device__ bool is_last(unsigned* arrived) const {
    __shared__ bool last;
    __syncthreads();
    if (threadIdx.x == 0) {
      __threadfence();
      last = atomicInc(arrived, gridDim.x - 1) == gridDim.x - 1;
      __threadfence();
    }
    __syncthreads();
    return last;
  }
  static constexpr bool in_step = false;
  // Before sm_90 the tensor cores do 8 x 8 x 4.
  __device__ void mma(double (&c)[4], const double (&a)[4], const double (&b)[2]) const {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f64.f64.f64.f64 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+d"(c[0]), "+d"(c[1]), "+d"(c[2]), "+d"(c[3])
        : "d"(a[0]), "d"(a[1]), "d"(a[2]), "d"(a[3]), "d"(b[0]), "d"(b[1]));
#else
    for (int half = 0; half < 2; ++half)
      for (int k = 0; k < 2; ++k)
        asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%0,%1};"
                     : "+d"(c[2 * half]), "+d"(c[2 * half + 1])
                     : "d"(a[half + 2 * k]), "d"(b[k]));
#endif
  }
};

template <class Body>
__global__ void __launch_bounds__(block_threads, least_blocks<Body>())
    body_kernel(const __grid_constant__ Body body) {
  body(device_place());
}

// Throws where the current device gives a block less: those of data centres give 163 KB and more, others 99.
void check_shared_bytes(index_t bytes, const char* name);

// Shared memory that a launch of a body asks for; more than 48 KB has to be allowed first.
template <class Body>
index_t allowed_shared_bytes(const Body& body, const char* name) {
  if constexpr (requires { body.shared_bytes(); }) {
    const index_t bytes = body.shared_bytes();
    if (bytes > 48 << 10) {
      check_shared_bytes(bytes, name);
      check(cudaFuncSetAttribute(body_kernel<Body>, cudaFuncAttributeMaxDynamicSharedMemorySize, int(bytes)),
            name);
    }
    return bytes;
  }
  return 0;
}

}  // namespace pysolve::cuda

#include "cuda_memory.cuh"

namespace pysolve::cuda {

// Launches the bodies of one call, in order, on the stream; `name` is the kernel that errors name.
class queue {
 public:
  explicit queue(const char* name) : name_(name) {}
  const char* name() const { return name_; }

  // block_threads threads a block, body.n_blocks() blocks. A body that sums may be run too: its sum is dropped.
  template <class Body>
  void run(const Body& body) {
    const auto shared = std::size_t(allowed_shared_bytes(body, name_));
    body_kernel<<<grid_blocks(body.n_blocks(), name_), block_threads, shared, current_stream()>>>(body);
    check(cudaGetLastError(), name_);
  }

  // The sum over all bodies and their threads: by block, then over the blocks by one block. Waits for it.
  template <class Body, class... Bodies>
  typename Body::result sum(const Body& body, const Bodies&... bodies) {
    const scratch<typename Body::result> total(1, name_);
    sum_into(total.data(), body, bodies...);
    return fetch(total.data());
  }

  // *where = that sum, which is not waited for; `where` is in device memory.
  template <class Body, class... Bodies>
  void sum_into(typename Body::result* where, const Body& body, const Bodies&... bodies) {
    using S = typename Body::result;
    const index_t count = (body.n_blocks() + ... + bodies.n_blocks());
    const scratch<S> part(count, name_);
    S* next = part.data();
    ((next = sum_blocks(body, next)), ..., (next = sum_blocks(bodies, next)));
    sum_blocks(total_body<S>{part.data(), count}, where);
  }

  // f(the sum over the body's threads), by one thread of the block that is the last to end: a sum in one launch.
  template <class Body, class Finish>
  void finish(const sum_place& memory, const Body& body, const Finish& f) {
    run(finished_sum_body<Body, Finish>{body, f, memory});
  }

  // What is at `from` in device memory after all launches so far. Waits for them.
  template <class S>
  S fetch(const S* from) {
    alignas(S) unsigned char result[sizeof(S)];
    check(cudaMemcpyAsync(result, from, sizeof(S), cudaMemcpyDeviceToHost, current_stream()), name_);
    check(cudaStreamSynchronize(current_stream()), name_);
    S value;
    std::memcpy(&value, result, sizeof value);
    return value;
  }

  // Arrays to the host, after all launches so far, and from it. Both wait.
  template <class S>
  void download(S* to, const S* from, index_t count) {
    copy(to, from, count, cudaMemcpyDeviceToHost);
  }
  template <class S>
  void upload(S* to, const S* from, index_t count) {
    copy(to, from, count, cudaMemcpyHostToDevice);
  }

 private:
  template <class S>
  void copy(S* to, const S* from, index_t count, cudaMemcpyKind kind) {
    if (count == 0) return;
    check(cudaMemcpyAsync(to, from, std::size_t(count) * sizeof(S), kind, current_stream()), name_);
    check(cudaStreamSynchronize(current_stream()), name_);
  }
  template <class Body, class S>
  S* sum_blocks(const Body& body, S* part) {
    run(block_sums_body<Body>{body, part});
    return part + body.n_blocks();
  }
  const char* name_;
};

// Copies of a value in device memory that come to the host while later launches run. The two that may be under way are
// in memory that the copies need not wait for; it is kept by the thread, since to get it takes longer than they do.
constexpr index_t lookout_bytes = 1024;
unsigned char* lookout_memory(const char* name);

template <class S>
class lookout {
 public:
  explicit lookout(const char* name) : name_(name), memory_(lookout_memory(name)) {
    static_assert(sizeof(S) <= lookout_bytes / 2);
    for (cudaEvent_t& event : arrived_) check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), name);
  }
  lookout(const lookout&) = delete;
  lookout& operator=(const lookout&) = delete;
  // Where an error ends the run early its copies are waited for: the next one of this thread uses the same memory.
  ~lookout() {
    while (under_way() > 0) cudaEventSynchronize(arrived_[n_received_++ % 2]);
    for (cudaEvent_t event : arrived_)
      if (event) cudaEventDestroy(event);
  }
  int under_way() const { return n_sent_ - n_received_; }
  // Asks for *from as it is after all launches so far; at most two are under way.
  void send(const S* from) {
    const int slot = n_sent_++ % 2;
    check(cudaMemcpyAsync(memory_ + slot * (lookout_bytes / 2), from, sizeof(S), cudaMemcpyDeviceToHost,
                          current_stream()),
          name_);
    check(cudaEventRecord(arrived_[slot], current_stream()), name_);
  }
  // The oldest that is under way. Waits for it.
  S receive() {
    const int slot = n_received_++ % 2;
    check(cudaEventSynchronize(arrived_[slot]), name_);
    S value;
    std::memcpy(static_cast<void*>(&value), memory_ + slot * (lookout_bytes / 2), sizeof value);
    return value;
  }

 private:
  const char* name_;
  unsigned char* memory_;
  cudaEvent_t arrived_[2] = {};
  int n_sent_ = 0, n_received_ = 0;
};

}  // namespace pysolve::cuda
#endif
