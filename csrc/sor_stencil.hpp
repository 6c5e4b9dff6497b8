// sor on stencil operators: sweeps in natural or in red-black order, and conjugate gradients preconditioned by SSOR.
//
//   x_c += omega (b_c - (A x)_c) / d_c, cell after cell, d the diagonal of A
//   M = omega/(2-omega) (D/omega + L) D^-1 (D/omega + L^T), A = L + D + L^T in the natural order
//
// Natural order is that of memory; red-black takes the cells with (i+j+k) % 2 == 0 first. Iterates are those of the
// sweep cell by cell, to rounding, and the same bits with any number of threads.
//
// Bytes per cell and sweep with v = sizeof(T): 3 v (constant weights), 5 v and 6 v (arrays, 2-D and 3-D), divided by
// the number of sweeps that are taken together in cache. Flops per cell and sweep with constant weights, 2-D and 3-D:
// 17 and 21 in natural order, of which 8 are the scan (sor_scan.hpp); 22 and 30 in two colours, since lanes of the other
// colour work too; 16 and 22 more for a norm. Red-black sweeps of 2-D boxes of constant weights without norms:
// sor_halves.hpp.  Reference: tests/reference/stencil.py, as a matrix.
#pragma once
#include "sor.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// The axis along which red and black cells cannot alternate, periodic of odd extent; -1 if there is none.
template <class T>
int sor_uncolourable_axis(const grid<T>& A) {
  for (int axis = 0; axis < 3; ++axis)
    if (A.low[axis] == side::periodic && A.n[axis] > 1 && A.n[axis] % 2 == 1) return axis;
  return -1;
}

// Up to state.n_steps sweeps on x. norms[s] = norm(b - A x) after sweep s; stops at the first that is at most
// state.tolerance, with x of that sweep, or is not finite, with x of the last one that was. A tolerance < 0: nobody
// asks, norms are NaN.
template <class T>
void sor_run_stencil(const grid<T>& A, const T* b, T* x, double omega, sor_direction sweep, sor_order order,
                     double* norms, run_state& state);

// Relaxes the cells with (i + j + k) % 2 == colour.
template <class T>
void sor_sweep_stencil(const grid<T>& A, const T* b, T* x, double omega, int colour);

// z = M^-1 r; z and r do not overlap. 4 v bytes per cell; flops with constant weights 23 (2-D) and 27 (3-D).
template <class T>
void sor_precondition_stencil(const grid<T>& A, double omega, const T* r, T* z);

// Up to state.n_steps iterations of conjugate gradients with M, r = b - A x on entry. norms[k] = norm(r) after
// iteration k. rho == 0: a new start; else the run goes on where it ended, with the same `work` (5 n values). An
// iteration is two passes, 9 v bytes per cell in all where one thread goes slab by slab and keeps two slabs of z,
// 10 v where z takes the place of y (several threads, a box that is periodic along its first axis); flops with constant
// weights 58 (2-D) and 72 (3-D):
//   ascending   x += alpha p, r -= alpha A p, (D/omega + L) y = r;  r.r, y.D y, from which beta follows
//   descending  (D/omega + L^T) z = (2-omega)/omega D y, p = z + beta p;  p.A p, from which alpha follows
template <class T>
void ssor_cg_run_stencil(const grid<T>& A, double omega, T* x, T* r, T* work, double* norms,
                         run_state& state);

}  // namespace pysolve::PYSOLVE_BACKEND
