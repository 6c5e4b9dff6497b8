// Plain views of the caller's memory. All that a kernel header includes: no Python, no CUDA.
#pragma once
#include <complex>
#include <cstdint>

#ifndef PYSOLVE_BACKEND
#define PYSOLVE_BACKEND cpu
#endif

namespace pysolve {

using index_t = std::int64_t;  // every size and count

template <class T>
struct vec {
  T* data = nullptr;
  index_t size = 0;
};

// Compressed sparse rows: entries of row i are data[k], columns indices[k], indptr[i] <= k < indptr[i+1].
template <class I, class T>
struct csr {
  using value_type = T;
  index_t n_rows, n_cols;
  const I* indptr;
  const I* indices;
  const T* data;
};

// Sliced rows, packed (see sell.hpp for the format).
template <class T>
struct sell {
  using value_type = T;
  index_t n_rows, n_cols, n_slices;
  const index_t* slice_ptr;
  const std::int32_t* column;
  const std::int32_t* indices;
  const T* data;
};

enum class side : int { dirichlet = 0, neumann = 1, periodic = 2 };

// Box of n[0] x n[1] x n[2] cells in C order, coupled through their faces (see stencil.hpp).
template <class T>
struct grid {
  using value_type = T;
  index_t n[3];
  side low[3], high[3];
  const T* weights[3];  // face weights, n[a]+1 along axis a; null where `constant` holds for the axis
  T constant[3];
  const T* shift;  // per cell, or null: shift0 everywhere
  T shift0;
  const index_t* decoupled;  // cells whose row is the identity
  index_t n_decoupled;
  const T* zeros;  // n[2] zeros, which stand beyond a Dirichlet side (CPU)
  index_t size() const { return n[0] * n[1] * n[2]; }
};

// Real type of a value, and the type sums are accumulated in.
template <class T>
struct scalar_of {
  using real = T;
  using sum = double;
};
template <class T>
struct scalar_of<std::complex<T>> {
  using real = T;
  using sum = std::complex<double>;
};
template <class T>
using real_t = typename scalar_of<T>::real;
template <class T>
using sum_t = typename scalar_of<T>::sum;

}  // namespace pysolve
