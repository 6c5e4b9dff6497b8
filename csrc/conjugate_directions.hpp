// conjugate_directions: the fused steps of conjugate direction methods, and whole runs of conjugate gradients.
//
// One iteration, with z = M r any direction (Kaneda et al. 2023, algorithm 1; with n_keep = 1 and a linear
// symmetric M it is preconditioned CG):
//   p = z - sum_i p_i (q_i^H z) / pq_i,  q = A p,  pq = p^H q,  alpha = p^H r / pq,  x += alpha p,  r -= alpha q
//
// Reference: tests/reference/conjugate_directions.py.
#pragma once
#include "run_state.hpp"
#include "view.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// Directions kept at most.
constexpr index_t max_keep = 64;

// P[slot] = z - sum_i c[i] P[i], c[i] = (Q[i]^H z) / pq[i], over the i < n_keep with pq[i] > 0 (else c[i] = 0). P
// and Q have n_keep rows of n values; row `slot` of P may itself be one of those that are subtracted. Returns
// p^H r and p^H p for p = P[slot].
// (4 + 2 n_keep) n v bytes (z is read twice), (4 n_keep + 4) n flops.
template <class T>
struct direction_report {
  sum_t<T> pr = sum_t<T>();
  double pp = 0;
  direction_report& operator+=(const direction_report& o) {
    pr += o.pr;
    pp += o.pp;
    return *this;
  }
};
template <class T>
direction_report<T> conjugate_directions_orthogonalise(const T* z, const T* r, T* P, const T* Q,
                                                       const double* pq, sum_t<T>* c, index_t n_keep,
                                                       index_t slot, index_t n);

// x += alpha p, r -= alpha q, returns r^H r.  6 n v bytes, 6 n flops.
template <class T>
double conjugate_directions_step(T* x, T* r, const T* p, const T* q, T alpha, index_t n);

// The same steps on a stencil operator, where A p is formed twice and never stored, for an M that is no diagonal.
// First r . z, the same bits with any number of threads: 2 n v bytes.
template <class T>
double conjugate_directions_dot(const T* r, const T* z, index_t n);
// p = z + beta p; returns p^H A p and p^H p.  3 n v bytes, and the weights.
struct energy_report {
  double pAp = 0, pp = 0;
};
template <class T>
energy_report conjugate_directions_toward_stencil(const grid<T>& A, const T* z, double beta, T* p);
// x += alpha p, r -= alpha A p; returns r^H r.  5 n v bytes, and the weights.
template <class T>
double conjugate_directions_along_stencil(const grid<T>& A, double alpha, T* x, T* r, const T* p);

// All of these in one call that waits for nothing: rho, beta, p, alpha, x and r, with z = M r. Its numbers are in `state`,
// in the memory of the vectors; the norm of r after step k goes to state[advance::norms + k], and where there is no room
// for it, or an end has come, nothing is done. work[0] is 0 before and after (work is the device's alone).
// 11 n v bytes on a device, 10 n v on the host, and the weights, twice.
struct advance {
  static constexpr index_t rho = 0;        // 0: a new start, p must be finite
  static constexpr index_t end = 1;        // a run_end
  static constexpr index_t curvature = 2;  // p . A p / p . p of the last direction; NaN if it is no number
  static constexpr index_t n_steps = 3;    // that were done
  static constexpr index_t tolerance = 4, floor = 5;  // as in run_state
  static constexpr index_t beta = 6, alpha = 7, norms = 8;
  static constexpr index_t work = 4097;  // values
};
template <class T>
void conjugate_directions_advance_stencil(const grid<T>& A, const T* z, T* x, T* r, T* p, double* state,
                                          index_t n_state, double* work);

// Up to n_steps iterations of CG, preconditioned with a diagonal (inverse_diagonal, or null for none), within one
// parallel region (on a device: without waiting for it before the end); norms[k], on the host, is norm(r) after step k. A
// step that cannot be taken leaves x and
// r as they were. Bytes per unknown and iteration beyond the matrix, with v = sizeof(T): csr and sell
// 10.5 v (p = z + beta p: 3, q = A p: 2 and one for writing q, r -= alpha q: 3, and in every second step x: 3), stencil
// 7 v (A p is formed twice and never stored; on a device q holds every second p, on the host it is not used; it may be
// null); v more, twice, with a diagonal. csr and sell allocate nothing, stencil a double for each row of cells, and on a
// device n v bytes where q is null.
template <class I, class T>
void conjugate_directions_run_csr(const csr<I, T>& A, const real_t<T>* inverse_diagonal, T* x, T* r, T* p,
                                  T* q, double* norms, run_state& state);
template <class T>
void conjugate_directions_run_sell(const sell<T>& A, const real_t<T>* inverse_diagonal, T* x, T* r, T* p,
                                   T* q, double* norms, run_state& state);
// r must vanish in the decoupled cells of A (x = b there).
template <class T>
void conjugate_directions_run_stencil(const grid<T>& A, const T* inverse_diagonal, T* x, T* r, T* p, T* q,
                                      double* norms, run_state& state);

}  // namespace pysolve::PYSOLVE_BACKEND
