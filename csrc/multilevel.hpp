// multilevel: the parts of a V-cycle on a stencil operator, M r ~ A^-1 r, in float32.
//
// A level is a stencil operator (see stencil.hpp). Smoothing is damped Jacobi with a weight of its own in every cell,
//
//   x <- x + tau (u - D A x),   u = D b,   D = diag(m_c / d_c),   d_c = the diagonal of A, D = 0 in solid cells
//
// and coarsening joins pairs of cells along one axis at a time. Between the centre of a pair and each of its cells
// lies the resistance g = h_c / w of the face inside the pair (0 for a cell whose partner is solid or absent), and
// that of a face is 1 / w: a coarse face weighs what its resistances in series conduct, w_c = 1 / (1/w + g + g'), and
// a cell takes the share alpha = g / (g + 1/w + g') of its value from the pair beyond its outer face, the rest from
// its own. With h = 1/2 this is linear interpolation that follows the jumps of the coefficient, with h = 0 plain
// aggregation. Faces across the axis and shifts add up. Restriction is the transpose. m and h are clipped outputs of
// a small net on what surrounds the cell (cell_net).
//
// All sweeps of a level on the way down, or up, are one walk through memory (multilevel_stages.hpp). Bytes per cell with
// v = sizeof(T), 12 for the weights in 3-D (arrays; 0 for constants): down 40 + v, up 32 + v (+ v for reading the line
// that is written), restrict and prolong of one axis 10 and 14. Flops: about 22 for each product with A, of which there
// are n_steps on the way down and as many on the way up.
// Reference: tests/reference/multilevel.py.  W. L. Briggs, V. E. Henson, S. F. McCormick, A Multigrid Tutorial,
// SIAM 2000; P. Wesseling, An Introduction to Multigrid Methods, Wiley 1992, section 5.4 (operator-dependent transfer).
#pragma once
#include "view.hpp"

namespace pysolve {

// out = clip(w2 . max(W1 f + b1, 0) + b2, low, high) of the features f of a cell: the share of its faces that are
// closed, of its shift in the diagonal, of the difference between opposite faces in it, of its strongest axis in it,
// and 1 - (smallest open face) / (largest). Parameters, in order: W1 (by rows), b1, w2, b2, low, high.
struct cell_net {
  static constexpr int n_features = 5, n_hidden = 4;
  static constexpr index_t n_parameters = n_hidden * (n_features + 2) + 3;
  const float* parameters;
};

// One axis of a box of n[0] x n[1] x n[2] cells, to and from pairs; `periodic`: the first and last pair are
// neighbours.
struct pairing {
  index_t n[3];
  int axis;
  bool periodic;
  index_t n_pairs() const { return (n[axis] + 1) / 2; }
};

namespace PYSOLVE_BACKEND {

// out = factor values in float32, and at least `least` where they are positive.
template <class T>
void multilevel_narrow(const T* values, double factor, float least, float* out, index_t n);

// inverse = D, and half = h in every cell (-1 in solid ones). Either may be null.
void multilevel_cells(const grid<float>& A, cell_net relaxation, cell_net resistance, float* inverse,
                      float* half);

// The axis coarsened: w_c of the faces along it, from those of the fine level (one more than cells along the axis,
// as in stencil.hpp), and alpha in every fine cell.
void multilevel_join(const pairing& p, const float* weights, const float* half, float* coarse, float* alpha);

// coarse = the sums over pairs of what is not along the axis: shifts, and faces across it (n: extents of that array).
void multilevel_add(const pairing& p, const float* fine, float* coarse);

// Down from a right-hand side: u = factor D b; n_steps steps from x = 0, the first two at once; y = factor b - A x, 0 in
// solid cells, as x is. Reports the largest |u|, and the largest |factor b| in solid cells.
struct descent {
  double largest, solid;
};
template <class T>
descent multilevel_descend(const grid<float>& A, const T* b, double factor, const float* inverse,
                           const float* tau, int n_steps, float* u, float* x, float* y);

// Up again: x += scale P coarse where alpha is not null (P along axis 0), then the steps with tau in reverse order, and
// z = factor x, 0 in solid cells. x and y are overwritten; z may be x (even n_steps) or y (odd).
template <class T>
void multilevel_ascend(const grid<float>& A, const float* alpha, const float* coarse, float scale,
                       const float* u, const float* inverse, const float* tau, int n_steps, float* x,
                       float* y, double factor, T* z);

// coarse = P^T fine.
void multilevel_restrict(const pairing& p, const float* alpha, const float* fine, float* coarse);

// fine = P coarse, or with add: fine += scale P coarse.
void multilevel_prolong(const pairing& p, const float* alpha, const float* coarse, float scale, bool add,
                        float* fine);

}  // namespace PYSOLVE_BACKEND
}  // namespace pysolve
