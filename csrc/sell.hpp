// sell: a sparse matrix packed for repeated products (sliced ELLPACK with slices of 8 rows, Monakov et al.
// 2010; the runs are ours).
//
// Each slice is a list of columns of 8 values, one per row. A column is either a *run*, whose 8 values sit at
// the consecutive matrix columns column[c] + 0..7 (a diagonal of the matrix cut at the slice; missing values
// are zero), or *gathered*: column[c] = -1 - g, and the matrix columns are indices[8 g + 0..7]. Matrices of
// grids consist of runs: one 4-byte column number then serves 8 values, and x is read without gathering.
// Padding multiplies x by zero, so that a non-finite value of x may reach all rows of a slice.
//
// Reference: tests/reference/sell.py.
#pragma once
#include "view.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// Rows of a slice. A diagonal present in at least `least_run` of them is stored as a run.
constexpr int sell_rows = 8;
constexpr int sell_least_run = 5;

// Lengths of a packed copy: columns_of[s] and gathered_of[s] for every slice. Rows must be sorted by column.
template <class I, class T>
void sell_measure(const csr<I, T>& A, index_t* columns_of, index_t* gathered_of);

// Fills the packed copy; slice_ptr and gather_ptr are the running sums of what sell_measure returned.
template <class I, class T>
void sell_pack(const csr<I, T>& A, const index_t* slice_ptr, const index_t* gather_ptr, std::int32_t* column,
               std::int32_t* indices, T* data);

// y = A x.  8 v + 4 (run) or 8 v + 36 (gathered) bytes a column and 2 v bytes a row; 2 nnz flops.
template <class T>
void sell_matvec(const sell<T>& A, const T* x, T* y);

// y = A x, returns x^H y (A square).
template <class T>
sum_t<T> sell_matvec_dot(const sell<T>& A, const T* x, T* y);

// r = b - A x, returns r^H r; row sums in double, as in csr_residual.
template <class T>
double sell_residual(const sell<T>& A, const T* b, const T* x, T* r);

}  // namespace pysolve::PYSOLVE_BACKEND
