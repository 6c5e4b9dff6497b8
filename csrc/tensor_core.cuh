// What tensor_core.hpp asks of a place, on the device (sm_80 and later). The host compiler sees nothing.
#pragma once

#if defined(__CUDACC__)
#include "cuda.cuh"
#include "tensor_core.hpp"

namespace pysolve::cuda {

// 16 rows of 16 values over a warp, as the instructions below have them: word m of a lane is in rows 8 (m % 2) and
// values 8 (m / 2) and on; in these, the two values 2 (lane % 4) and on of row lane / 4.
struct bf16_tile {
  std::uint32_t word[4];
};

__device__ __forceinline__ std::uint32_t bf16_pair(const device_place&, float a, float b) {
  std::uint32_t word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(b), "f"(a));
  return word;
}

// Lanes 8 m to 8 m + 7 name the rows of what word m gets.
__device__ __forceinline__ bf16_tile load_tile(const device_place& at, const chunk* rows, int first,
                                               int part) {
  const int lane = at.thread() % warp_threads;
  const chunk* p = rows + chunk_at(first + lane % tile_size, 2 * part + lane / tile_size);
  bf16_tile x;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(x.word[0]), "=r"(x.word[1]), "=r"(x.word[2]), "=r"(x.word[3])
               : "r"(std::uint32_t(__cvta_generic_to_shared(p)))
               : "memory");
  return x;
}

// The instruction has eight columns of sums: two of it.
__device__ __forceinline__ void multiply_add(const device_place&, sum_tile& s, const bf16_tile& x,
                                             const bf16_tile& w) {
  PYSOLVE_UNROLL
  for (int half = 0; half < 2; ++half) {
    float* c = s.value + 4 * half;
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(x.word[0]), "r"(x.word[1]), "r"(x.word[2]), "r"(x.word[3]), "r"(w.word[half]),
          "r"(w.word[half + 2]));
  }
}

}  // namespace pysolve::cuda
#endif
