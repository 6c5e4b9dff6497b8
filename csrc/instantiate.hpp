// Value and index types that kernels are compiled for, listed once.
#pragma once
#include <complex>
#include <cstdint>

#define PYSOLVE_FOR_REAL(X) X(float) X(double)
#define PYSOLVE_FOR_VALUE(X) PYSOLVE_FOR_REAL(X) X(std::complex<float>) X(std::complex<double>)
#define PYSOLVE_FOR_INDEX_VALUE(X)                                                                   \
  X(std::int32_t, float)                                                                             \
  X(std::int32_t, double) X(std::int32_t, std::complex<float>) X(std::int32_t, std::complex<double>) \
      X(std::int64_t, float) X(std::int64_t, double) X(std::int64_t, std::complex<float>)            \
          X(std::int64_t, std::complex<double>)
