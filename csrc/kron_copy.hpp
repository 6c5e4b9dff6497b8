// Copies from global into shared memory that run while their thread goes on (cp.async), in batches.
//
// On the host, where launches are simulated, a copy is made when its batch is waited for and not sooner, so that what
// reads too early reads what was there before.
#pragma once
#include <cstring>

#include "device_body.hpp"
#if !defined(__CUDACC__)
#include <deque>
#include <vector>
#endif

namespace pysolve::PYSOLVE_BACKEND {

// The copies of one thread. wait<n>() returns when all batches but the last n are there, of this thread alone: others see
// them after a sync.
template <class T>
class kron_copies {
 public:
#if defined(__CUDACC__)
  // V neighbouring values of together 4, 8 or 16 bytes, aligned to that; zeros where nothing is `there`.
  template <int V>
  __device__ __forceinline__ void copy(T* to, const T* from, bool there) {
    const unsigned address = unsigned(__cvta_generic_to_shared(to));
    const unsigned bytes = there ? unsigned(V * sizeof(T)) : 0;
    if constexpr (V * sizeof(T) == 16)
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(bytes)
                   : "memory");
    else
      asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(address), "l"(from),
                   "n"(V * sizeof(T)), "r"(bytes)
                   : "memory");
  }
  __device__ __forceinline__ void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
  template <int n>
  __device__ __forceinline__ void wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory");
  }
#else
  template <int V>
  void copy(T* to, const T* from, bool there) {
    open_.push_back({to, from, there ? V : 0, V});
  }
  void commit() {
    batches_.push_back(std::move(open_));
    open_.clear();
  }
  template <int n>
  void wait() {
    for (; batches_.size() > n; batches_.pop_front())
      for (const one& copy : batches_.front())
        for (int v = 0; v < copy.width; ++v) copy.to[v] = v < copy.there ? copy.from[v] : T();
  }

 private:
  struct one {
    T* to;
    const T* from;
    int there, width;
  };
  std::vector<one> open_;
  std::deque<std::vector<one>> batches_;
#endif
};

}  // namespace pysolve::PYSOLVE_BACKEND
