#include "kron.hpp"

#include <algorithm>

#include "instantiate.hpp"
#include "parallel.hpp"

namespace pysolve::cpu {
namespace {

// Extents before and after the mode j when those after it are done: the work goes from the last mode to the first.
template <class T>
index_t size_after(const std::vector<kron_factor<T>>& factors, std::size_t j, index_t columns) {
  __int128 size = columns;
  for (std::size_t i = 0; i < factors.size(); ++i) {
    size *= i < j ? factors[i].n : factors[i].m;
    if (size >> 60 != 0) return -1;
  }
  return index_t(size);
}

}  // namespace

template <class T>
void kron_mode_product(const kron_factor<T>& A, index_t left, index_t right, const T* x, T* y) {
  for (index_t l = 0; l < left; ++l)
    for (index_t i = 0; i < A.m; ++i) {
      T* const out = y + (l * A.m + i) * right;
      std::fill_n(out, right, T());
      for (index_t k = 0; k < A.n; ++k) {
        const T a = A.data[i * A.row + k * A.column];
        const T* const in = x + (l * A.n + k) * right;
        for (index_t r = 0; r < right; ++r) out[r] += a * in[r];
      }
    }
}

template <class T>
index_t kron_work_size(const std::vector<kron_factor<T>>& factors, index_t columns, int) {
  index_t largest = 0;
  for (std::size_t j = 1; j < factors.size(); ++j) {
    const index_t size = size_after(factors, j, columns);
    if (size < 0) return -1;
    largest = std::max(largest, size);
  }
  return 2 * largest;
}

template <class T>
void kron_matvec(const std::vector<kron_factor<T>>& factors, index_t columns, const T* x, T* y, T* work,
                 index_t n_work) {
  index_t right = columns;
  for (std::size_t j = factors.size(); j-- > 0;) {
    index_t left = 1;
    for (std::size_t i = 0; i < j; ++i) left *= factors[i].n;
    T* const out = j == 0 ? y : work + (j % 2) * (n_work / 2);
    kron_mode_product(factors[j], left, right, x, out);
    right *= factors[j].m;
    x = out;
  }
}

#define PYSOLVE_INSTANTIATE(T)                                                            \
  template void kron_mode_product(const kron_factor<T>&, index_t, index_t, const T*, T*); \
  template index_t kron_work_size(const std::vector<kron_factor<T>>&, index_t, int);      \
  template void kron_matvec(const std::vector<kron_factor<T>>&, index_t, const T*, T*, T*, index_t);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
