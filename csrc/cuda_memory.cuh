// Device memory, for cuda.cuh.
#pragma once
#include <utility>

#include "cuda.cuh"

namespace pysolve::cuda {

// Device memory of one call. Freed after the call's last wait: the pool gives memory back to the system when the
// stream is waited for and all of it is free, and would have to ask for it again in every call.
template <class S>
class scratch {
 public:
  scratch(index_t count, const char* name) : name_(name), bytes_(std::size_t(count) * sizeof(S)) {
    void* p = nullptr;
    check(cudaMallocAsync(&p, bytes_, current_stream()), name, index_t(bytes_));
    data_ = static_cast<S*>(p);
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch() { cudaFreeAsync(data_, current_stream()); }
  S* data() const { return data_; }
  // All bytes 0.
  void clear() { check(cudaMemsetAsync(data_, 0, bytes_, current_stream()), name_); }

 private:
  const char* name_;
  std::size_t bytes_;
  S* data_;
};

// Device memory that outlives calls and their streams.
template <class S>
class kept {
 public:
  kept() = default;
  kept(index_t count, const char* name) : size_(count) {
    if (count == 0) return;
    void* p = nullptr;
    check(cudaMalloc(&p, std::size_t(bytes())), name, bytes());
    data_ = static_cast<S*>(p);
  }
  kept(kept&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  kept& operator=(kept&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~kept() { cudaFree(data_); }
  S* data() const { return data_; }
  index_t size() const { return size_; }
  index_t bytes() const { return size_ * index_t(sizeof(S)); }

 private:
  S* data_ = nullptr;
  index_t size_ = 0;
};

// Memory of queue::finish for sums of S, one launch at a time.
template <class S>
struct sum_memory {
  scratch<S> part;
  scratch<unsigned> arrived;
  explicit sum_memory(const char* name) : part(max_blocks, name), arrived(1, name) { arrived.clear(); }
  operator sum_place() const { return {part.data(), arrived.data()}; }
};

}  // namespace pysolve::cuda
