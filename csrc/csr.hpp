// csr: sparse matrix kernels on compressed sparse rows.
//
// Bytes per call count each array once: with v = sizeof(T), i = sizeof(I), nnz entries, n rows and columns.
// Reference: tests/reference/csr.py.
#pragma once
#include "view.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// y = A x.  nnz (v + i) + n (2 v + i) bytes, 2 nnz flops. Sums in T, row by row.
template <class I, class T>
void csr_matvec(const csr<I, T>& A, const T* x, T* y);

// y = A x, returns x^H y (A square).  As csr_matvec, and 2 n flops; the sum is taken in double.
template <class I, class T>
sum_t<T> csr_matvec_dot(const csr<I, T>& A, const T* x, T* y);

// r = b - A x, returns r^H r.  nnz (v + i) + n (3 v + i) bytes, 2 nnz + 3 n flops. Row sums are taken in
// double, so that for float the residual is the true one and not rounding noise of its own.
template <class I, class T>
double csr_residual(const csr<I, T>& A, const T* b, const T* x, T* r);

// What is wrong with a matrix that came from outside, found in one pass over it.
enum class csr_fault : int { none = 0, indptr = 1, index = 2, value = 3 };
struct csr_report {
  csr_fault fault = csr_fault::none;
  index_t position = -1;   // of the first fault: in indptr, or in indices and data
  double asymmetry = 0;    // |u^T A v - conj(v^T A u)| for two fixed pseudo-random vectors in [-1, 1)^n
  double frobenius = 0;    // (sum |a|^2)^1/2
  double max_row_sum = 0;  // max_i sum_j |a_ij|, the infinity norm
};

// Checks indptr (0 = first <= ... <= last <= nnz), 0 <= indices < n_cols and finite values before anything is
// read through them.  nnz (v + i) + n (i + 16) bytes, about 12 nnz flops;
// 16 n bytes are held meanwhile.
template <class I, class T>
csr_report csr_check(const csr<I, T>& A, index_t nnz);

}  // namespace pysolve::PYSOLVE_BACKEND
