// Functions that the CPU kernels and the bodies of the CUDA kernels share: compiled for the device by nvcc, and
// elsewhere inlined into the clone of an instruction set that calls them (see simd.hpp).
#pragma once

#if defined(__CUDACC__)
#define PYSOLVE_SHARED __host__ __device__ __forceinline__
#else
#define PYSOLVE_SHARED inline __attribute__((always_inline))
#endif
