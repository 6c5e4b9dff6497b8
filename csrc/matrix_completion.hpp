// Kernels of matrix completion: M = U V^T of rank k from some of its entries (pysolve/_matrix_completion.py).
//
// Observed entries by rows: those of row i are begin[i] <= e < end[i], in column indices[e]. The columns are the rows
// of a second copy, so that every kernel below serves both factors with U and V exchanged. A factor is n x ld in C
// order with ld = k rounded up to 8, and zeros in the columns from k on. d is the number of a row's entries, N their
// sum. Whatever the arrays hold, nothing outside them is touched: `fault` is the first row that names an entry or a
// column that is not there, or -1; such rows are left as they were.
//
// Y. Gu, Z. Song, J. Yin, L. Zhang, "Low rank matrix completion via robust alternating minimization in nearly linear
// time", ICLR 2024, arXiv:2302.11068. P. Jain, P. Netrapalli, S. Sanghavi, STOC 2013, arXiv:1212.0467.
#pragma once
#include "view.hpp"

namespace pysolve {

template <class T>
struct observed {
  using value_type = T;
  index_t n_rows, n_cols, n_entries;
  const index_t *begin, *end;
  const std::int32_t* indices;
  const T* values;   // null where the kernel needs none
  const T* weights;  // null: all 1
};

struct completion_sums {
  double squares = 0;
  index_t fault = -1;
};

constexpr index_t completion_stride(index_t k) { return (k + 7) / 8 * 8; }
constexpr index_t completion_max_rank = 4096;

// Which rows take part in a solve that is preconditioned by a sketch, and how the sketch is drawn.
enum class completion_sketch : int { count = 0, rows = 1, srht = 2 };

namespace PYSOLVE_BACKEND {

// Entries in the stable order of their keys 0 .. n_keys - 1, with what belongs to them (weights may be null): those of
// key i are begin[i] <= e < begin[i + 1], n_keys + 1 values. Returns the first entry whose key is not one, or -1.
//   bytes: N (8 + 24, or 40 with weights), written in as many streams as there are keys
index_t matrix_completion_sort(const std::int32_t* keys, index_t n_entries, index_t n_keys,
                               const std::int32_t* others, const double* values, const double* weights,
                               index_t* begin, std::int32_t* sorted_others, double* sorted_values,
                               double* sorted_weights);

// For each row i, n_cg steps of conjugate gradients from the u that is there on
//   (V_i^T W V_i + diag(reg)) u = V_i^T W y_i,
// V_i the d rows of V that the row's entries name (reg null: 0); u moves by `relaxation` times what they find. Returns sum_e w_e (y_e - u_i.v_e)^2 of the u that
// came in: the residual costs nothing. shrunk, if there, has n_rows values: the factor by which the residual of the
// row's equations shrank a step, over all steps but the last (1 where n_cg < 2).
//   Where `foreseen`, the last step is as long as the one before in rows whose equations look like those of random rows
// (`calm` in matrix_completion_steps.hpp): then it costs no product with the panel, 2 N k flops of 4 n_cg + 2.
//   The first residual is computed in T and the steps correct it in float: each only has to gain a digit or so, and u
// is as exact as T in the end. The panel V_i is read once, into the cache, in float.
//   bytes: N (4 + sizeof T (1 + ld)) from memory or the outer caches; flops: N k (4 in T + 4 n_cg - 2 in float)
template <class T>
completion_sums matrix_completion_half_step(const observed<T>& A, const T* V, T* U, index_t k,
                                            const double* reg, int n_cg, float* shrunk, double relaxation,
                                            bool foreseen);

// The same for the n_chosen rows in `chosen` alone, where the equations are ill-conditioned although there are many
// entries (coherent rows): the steps are preconditioned by the Cholesky factor of (S V_i)^T S V_i + diag(reg), S a
// sketch of n_sketch rows, and all is in double. `count` adds each row of V_i with a random sign to a random row of the
// sketch; `rows` draws rows uniformly; `srht` draws them after random signs and a Hadamard transform. shrunk has
// n_chosen values. A row whose sketch is singular takes plain steps.
//   flops: N k (4 + 4 n_cg) + the sketch (2 N k; srht: 2 N k log2 d) + n_sketch k^2 + k^3 / 3 a row
template <class T>
completion_sums matrix_completion_sketched_step(const observed<T>& A, const T* V, T* U, index_t k,
                                                const double* reg, int n_cg, const index_t* chosen,
                                                index_t n_chosen, completion_sketch kind, index_t n_sketch,
                                                std::uint64_t seed, float* shrunk);

// For each row i, n_sweeps sweeps of coordinate descent from max(u, 0) on
//   min over u >= 0 of sum_e w_e (y_e - u.v_e)^2 + sum_c reg_c u_c^2
// (reg null: 0): each component in turn is set to max(0, u_c + g_c / H_cc), g the gradient and H the matrix of the row's
// equations, so that the sum never rises. A component that no entry tells anything of (H_cc = 0) stays. Returns the sum
// over all rows, without reg, at the u that came in, projected.
//   The panel is kept transposed, n_entries x ld values of the longest row for each thread. A row is not split.
//   bytes: N (4 + sizeof T (1 + ld)) from memory, N k sizeof T a sweep from the caches; flops: N k (5 + 4 n_sweeps)
template <class T>
completion_sums matrix_completion_nonneg_step(const observed<T>& A, const T* V, T* U, index_t k,
                                              const double* reg, int n_sweeps);

// out_i = sum_e w_e (y_e - u_i.v_e) v_e and the sum of w_e (y_e - u_i.v_e)^2; U null: 0, which makes it the product of
// the sparse matrix with V (the power steps of the spectral start).
//   bytes: N (4 + sizeof T (1 + ld)); flops: 4 N k
template <class T>
completion_sums matrix_completion_gradient(const observed<T>& A, const T* V, const T* U, T* out, index_t k);

// out_i = sum_e w_e (p_i.v_e + u_i.q_e) v_e + damping p_i: the half of J^T J (P, Q) + damping (P, Q) that belongs to U,
// J the derivative of U V^T on the entries (P null: 0). Called with the roles exchanged it gives the half that belongs to V. Returns
// (in squares) sum_i p_i.out_i.
//   bytes: N (4 + sizeof T (1 + 2 ld)); flops: 6 N k
template <class T>
completion_sums matrix_completion_normal(const observed<T>& A, const T* U, const T* V, const T* P, const T* Q,
                                         T* out, index_t k, double damping);

// H_i = (V_i^T W V_i + damping I)^-1, k x ld values for each row, the diagonal blocks of J^T J + damping; zeros where that
// is not positive.
//   bytes: N (4 + sizeof T (1 + ld)) + n_rows k ld sizeof T; flops: N k^2 + 2 n_rows k^3
template <class T>
completion_sums matrix_completion_blocks(const observed<T>& A, const T* V, index_t k, double damping, T* H);

// x_i <- factor H_i x_i. bytes: n k ld sizeof T; flops: 2 n k^2
template <class T>
void matrix_completion_apply_blocks(const T* H, T* X, index_t n, index_t k, double factor);

// r_e = y_e - u_i.v_j over entries in any order, and the sum of w_e r_e^2 (r null: the sum alone; fault: an entry).
//   bytes: N (8 + sizeof T (2 + 2 ld)); flops: 2 N k
template <class T>
completion_sums matrix_completion_residual(const std::int32_t* rows, const std::int32_t* cols,
                                           const T* values, const T* weights, index_t n_entries, const T* U,
                                           index_t m, const T* V, index_t n, index_t k, T* r);

// r_e = |y_e - u_i.v_e|, and for each row the upper median of it over the entries that have a weight (0 without any).
// What is not a number counts as infinite. r is written for the entries of the rows alone.
//   bytes: N (4 + sizeof T (2 + ld)); flops: 2 N k, and about 4 N comparisons
template <class T>
completion_sums matrix_completion_deviations(const observed<T>& A, const T* V, const T* U, index_t k, T* r,
                                             T* medians);

// G = V^T V (k x k), in double. bytes: n ld sizeof T; flops: n k^2 (the lower half, mirrored)
template <class T>
void matrix_completion_gram(const T* V, index_t n, index_t k, double* G);

// v_i <- v_i R, then scaled down to length `limit` if it is longer (limit <= 0: not). Returns how many rows were.
// R is k x k. bytes: 2 n ld sizeof T; flops: 2 n k^2
template <class T>
index_t matrix_completion_transform(T* V, index_t n, index_t k, const double* R, double limit);

}  // namespace PYSOLVE_BACKEND
}  // namespace pysolve
