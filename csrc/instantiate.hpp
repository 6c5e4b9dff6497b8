// Value and index types that kernels are compiled for, listed once.
#pragma once
#include <complex>
#include <cstdint>

#define PYSOLVE_FOR_REAL(X) X(float) X(double)
#define PYSOLVE_FOR_VALUE(X) PYSOLVE_FOR_REAL(X) X(std::complex<float>) X(std::complex<double>)
#define PYSOLVE_WITH_INDEX(X, I) X(I, float) X(I, double) X(I, std::complex<float>) X(I, std::complex<double>)
#define PYSOLVE_FOR_INDEX_VALUE(X) PYSOLVE_WITH_INDEX(X, std::int32_t) PYSOLVE_WITH_INDEX(X, std::int64_t)
