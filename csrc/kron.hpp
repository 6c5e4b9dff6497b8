// kron: products with Kronecker products of dense matrices, one mode after the other.
//
// y = (A_1 x ... x A_d) x for x of shape (n_1, ..., n_d, columns) in C order, A_j of m_j x n_j, y of shape
// (m_1, ..., m_d, columns): every column as numpy.kron orders it. Never is the Kronecker product formed.
// Mode j costs 2 m_j n_j L R flops, L the product of the extents before it and R of those after it; with equal n and
// m, and N = n^d values in a column: 2 d n N flops. Each value is summed in one fixed order, whatever the threads.
// NaN and infinities spread as in a matrix product. Reference: tests/reference/kron.py.
#pragma once
#include <vector>

#include "view.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// A_ik = data[i row + k column], m x n; any strides, zero and negative ones too.
template <class T>
struct kron_factor {
  const T* data;
  index_t m, n, row, column;
};

// y_lir = sum_k A_ik x_lkr for x (left, n, right), y (left, m, right) in C order.
// (n + m) left right sizeof(T) bytes, 2 m n left right flops.
template <class T>
void kron_mode_product(const kron_factor<T>& A, index_t left, index_t right, const T* x, T* y);

// Values of work that kron_matvec needs with one thread (threads = 1), or can use with more; -1 where it is not
// a number of 63 bits. Only the extents of the factors are looked at.
template <class T>
index_t kron_work_size(const std::vector<kron_factor<T>>& factors, index_t columns, int threads);

// y = (A_1 x ... x A_d) x. x, y and work must not overlap, nor may a factor lie in y or work. n_work values of work: as many
// threads as these suffice for. Allocates nothing.
template <class T>
void kron_matvec(const std::vector<kron_factor<T>>& factors, index_t columns, const T* x, T* y, T* work,
                 index_t n_work);

}  // namespace pysolve::PYSOLVE_BACKEND
