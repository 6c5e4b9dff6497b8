// stencil: a matrix-free operator on a box of cells, coupled through their faces.
//
//   (A x)_c = sum_f w_f (x_c - x_neighbour(f)) + shift_c x_c        (y_c = x_c in decoupled cells)
//
// The box has n[0] x n[1] x n[2] cells in C order; a 2-D box (a, b) is (a, 1, b). Along each axis the weights are
// one constant, or an array with one face more than cells along that axis: face i lies between cells i - 1 and
// i. Beyond a Dirichlet side x is 0; a Neumann side is closed (its faces weigh 0); on a periodic axis the first
// and last face are the same face.
//
// Bytes per cell with v = sizeof(T): 2 v and 13 flops (constant weights), 5 v and 20 flops (arrays, 3-D), v more
// with a shift array, 4 to 24 more in decoupled cells.  Reference: tests/reference/stencil.py.
#pragma once
#include "view.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// y = A x.
template <class T>
void stencil_matvec(const grid<T>& A, const T* x, T* y);

// y = A x, returns x . y.  No more bytes than stencil_matvec.
template <class T>
double stencil_matvec_dot(const grid<T>& A, const T* x, T* y);

// r = b - A x, returns r . r.  One more vector is read than in stencil_matvec.
template <class T>
double stencil_residual(const grid<T>& A, const T* b, const T* x, T* r);

// The connected components on which a constant is in the null space of A: no Dirichlet face and no shift. Numbers them
// in the order of their first cells and returns how many there are; -1 in the cells of others and in decoupled ones.
// 20 bytes a cell on the host, 40 on a device, and the weights, once for a geometry.
template <class T>
index_t stencil_components(const grid<T>& A, std::int32_t* labels);

// d -= its mean on every component; labels of no component are left alone.  2 v + 8 bytes a cell.
template <class T>
void stencil_project_out(const std::int32_t* labels, index_t n_components, T* d, index_t n);

}  // namespace pysolve::PYSOLVE_BACKEND
