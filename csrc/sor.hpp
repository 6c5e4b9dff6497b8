// sor: successive over-relaxation, and conjugate gradients preconditioned by its symmetric form.
//
// A sweep:  x_i += omega (b_i - sum_j a_ij x_j) / a_ii,  i in the order of the sweep, each with the newest x.
// A = L + D + U in that order. Matrices come as a sor_split (sor_split.hpp), made once from a csr matrix. A has a
// positive (real) diagonal.
//
// Bytes count an array once for each pass that reads it and once for each that writes it: v = sizeof(T),
// s = sizeof(sum_t<T>), n rows, m entries off the diagonal. Flops are those of real values.
// Reference: Young, Iterative Solution of Large Linear Systems, 1971; tests/reference/sor.py.
#pragma once
#include "run_state.hpp"
#include "view.hpp"

namespace pysolve::PYSOLVE_BACKEND {

enum class sor_direction : int { forward = 0, backward = 1, symmetric = 2 };
enum class sor_order : int { natural = 0, multicolor = 1 };
enum class sor_fault : int { none = 0, indptr, index, value, duplicate, diagonal };

// What (a chunk of) a sweep reads and writes, all in the numbers of the schedule. `behind` and `ahead` are the sums over
// the entries whose column the sweep has come past, and those it has not.
template <class T>
struct sweep_vectors {
  const T *b, *old;
  T* fresh;
  sum_t<T>*behind, *ahead;
  double omega;
};

template <class T>
class sor_split;

// Up to state.n_steps sweeps on x; norms[k] = norm(b - A x) after sweep k. Ends at the first norm <= state.tolerance
// or not finite; x is then the iterate that the last finite norm belongs to. A symmetric sweep is one forward and one
// backward. At a norm that is not finite x goes back to the iterate before (or stays as it was), and that sweep counts.
//   m (v + 4) + n (4 v + 2 s + 8) bytes, 2 m + 9 n flops a sweep and its norm
// The norm costs no pass of its own: a sweep knows U x of the iterate it starts from, and the one before it has left
// L x. A symmetric sweep reads A once only: U x is known to its forward half, L x to its backward half.
template <class T>
void sor_run_csr(const sor_split<T>& A, const T* b, T* x, double omega, sor_direction direction,
                 double* norms, run_state& state);

// Conjugate gradients with M = omega / (2 - omega) (D / omega + L) D^-1 (D / omega + U), U = L^H; on entry
// r = b - A x, and work (5 n values) is what the last run left in it, or anything where state.rho is 0. norms[k] is
// norm(r) of the recurrence after iteration k. state.curvature holds p^H A p of the last direction, and with state.rho,
// state.beta and work it is all that the next run goes on from. Where p^H A p <= state.floor p^H p, the end is
// not_positive, work begins with p and state.curvature is p^H A p / p^H p.
//   m (v + 4) + n (19 v + 8) bytes, 3 m + 29 n flops an iteration
// since each of the two passes moves all of work's z and y, which lie side by side.
// Product and preconditioner share their passes over L and U (after Eisenstat 1981), in a form that keeps r itself:
//   rows descending:  z = (D/omega + U)^-1 (2 - omega)/omega D y, and (D + U) z from the same entries
//   rows ascending:   y = (D/omega + L)^-1 r and L z from the same entries, once r has taken its step
template <class T>
void ssor_cg_run_csr(const sor_split<T>& A, double omega, T* x, T* r, T* work, double* norms,
                     run_state& state);

// z = M^-1 r with that M.  m (v + 4) + n (7 v + 16) bytes, 2 m + 7 n flops.
template <class T>
void sor_precondition_csr(const sor_split<T>& A, double omega, const T* r, T* z);

// Relaxes the given rows, no two of which are adjacent, in parallel: one colour of a multicolour sweep.
//   v (entries + 3 rows) + (index width) (entries + rows) + 8 rows bytes, 2 entries + 4 rows flops
template <class I, class T>
void sor_sweep_csr(const csr<I, T>& A, const index_t* rows, index_t n_rows, const T* b, T* x, double omega);

}  // namespace pysolve::PYSOLVE_BACKEND
