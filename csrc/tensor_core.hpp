// Products of tiles on tensor cores with nearly the accuracy of float32: what bodies see of them.
//
// A float is split into two bfloat16, x = high + low + O(2^-17 |x|): 8 bits of significand each, and the exponents of
// float32, so that nothing overflows. Three products, high high + low high + high low, each with sums in float32, make
// x w to within 2^-16 |x w|: about 64 times closer than one in TF32 or half precision, at 3/2 of the time of TF32.
//
// Operands lie in shared memory in rows of 16 values: the 16 high parts, then the 16 low ones, in four chunks of eight.
// A warp takes 16 rows at a time. A place offers, by argument-dependent lookup,
//   bf16_pair(at, a, b)               two floats rounded to nearest, a in the lower half of the word
//   load_tile(at, rows, first, part)  16 rows from `first` on, their high (0) or low (1) parts
//   multiply_add(at, s, x, w)         s[m][n] += sum over k of x[m][k] w[n][k]
// csrc/tensor_core.cuh has them for the device, tests/cuda_host/simulated_tensor_core.hpp as plain loops.
#pragma once
#include <cstring>

#include "device_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

constexpr int tile_size = 16;  // of all three sides of a product

// Eight bfloat16, the first in the lower half of a word: what one access to shared memory moves.
struct alignas(16) chunk {
  std::uint32_t word[4];
};
constexpr int row_chunks = 4, high_part = 0, low_part = 1;

// Where chunk c of a row is: the same chunk of eight rows on end is in eight different quarters of the banks.
PYSOLVE_BODY int chunk_at(int row, int c) { return row * row_chunks + (c ^ (row / 2 % row_chunks)); }

// In one access of the size of T, 8 or 16 bytes, of which the address must be a multiple; stores to global memory.
// (Of a value that it made number by number nvcc would make as many stores.)
#if defined(__CUDA_ARCH__)
template <class T>
using whole = std::conditional_t<sizeof(T) == 16, uint4, uint2>;
#else
template <class T>
using whole = T;
#endif
template <class T>
PYSOLVE_BODY T load_whole(const void* p) {
  static_assert(sizeof(T) == 8 || sizeof(T) == 16);
  const whole<T> bits = *static_cast<const whole<T>*>(p);
  T value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
template <class T>
PYSOLVE_BODY void store_whole(void* p, const T& value) {
  whole<T> bits;
  memcpy(&bits, &value, sizeof bits);
#if defined(__CUDA_ARCH__)
  __stwb(static_cast<whole<T>*>(p), bits);
#else
  *static_cast<T*>(p) = bits;
#endif
}

PYSOLVE_BODY float float_of(std::uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
// The two numbers of a word.
PYSOLVE_BODY float first_of(std::uint32_t word) { return float_of(word << 16); }
PYSOLVE_BODY float second_of(std::uint32_t word) { return float_of(word & 0xffff0000u); }

// v = high + low, eight values.
template <class Place>
PYSOLVE_AT_PLACE void split(const Place& at, const float (&v)[8], chunk& high, chunk& low) {
  chunk upper, lower;
  PYSOLVE_UNROLL
  for (int w = 0; w < 4; ++w) {
    const std::uint32_t word = bf16_pair(at, v[2 * w], v[2 * w + 1]);
    upper.word[w] = word;
    lower.word[w] = bf16_pair(at, v[2 * w] - first_of(word), v[2 * w + 1] - second_of(word));
  }
  high = upper;
  low = lower;
}

// What a lane has of the 16 x 16 sums of its warp: value e is at tile_row, tile_column; e and e + 1 are neighbours
// in a row where e is even.
struct sum_tile {
  float value[8];
};
PYSOLVE_BODY int tile_row(int lane, int e) { return lane / 4 + e / 2 % 2 * 8; }
PYSOLVE_BODY int tile_column(int lane, int e) { return lane % 4 * 2 + e % 2 + e / 4 * 8; }

}  // namespace pysolve::PYSOLVE_BACKEND
