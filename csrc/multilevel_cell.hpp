// What the nets make of a cell, and the resistances of a pair of cells: the arithmetic that the CPU and the CUDA
// kernels of multilevel share. V is a float, or on the CPU eight of them (simd.hpp).
#pragma once
#include "multilevel.hpp"
#include "multilevel_slabs.hpp"
#include "shared.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// ---- what surrounds a cell, and what the nets make of it ---------------------------------------------------------

// The six faces of a cell, low and high of each axis, and its shift.
template <class V>
struct around {
  V x0, x1, y0, y1, z0, z1, shift;
};

// Whether constant weights hold at face `i` of an axis: not on a Neumann side. A 2-D box with arrays of weights has
// none along its second axis.
PYSOLVE_SHARED bool constant_is_open(const grid<float>& A, int axis, index_t i) {
  return A.weights[0] == nullptr && (i > 0 || A.low[axis] != side::neumann) &&
         (i < A.n[axis] || A.high[axis] != side::neumann);
}

template <class V>
PYSOLVE_SHARED V larger(V a, V b) {
  return a > b ? a : b;
}
template <class V>
PYSOLVE_SHARED V smaller(V a, V b) {
  return a < b ? a : b;
}
template <class V>
PYSOLVE_SHARED V distance(V a, V b) {
  return a > b ? a - b : b - a;
}

template <class V>
struct cell_features {
  V inverse;  // of the diagonal, 0 in solid cells
  V f[cell_net::n_features];

  PYSOLVE_SHARED cell_features(const around<V>& c, bool is_3d) {
    const V zero = {}, one = zero + 1.0f;
    const V x = c.x0 + c.x1, y = c.y0 + c.y1, z = c.z0 + c.z1, d = x + y + z + c.shift;
    inverse = d > zero ? one / d : zero;
    const V faces[6] = {c.x0, c.x1, c.z0, c.z1, c.y0, c.y1};
    const int n_faces = is_3d ? 6 : 4;
    V closed = zero, largest_face = zero;
    for (int k = 0; k < n_faces; ++k) {
      closed += faces[k] > zero ? zero : one;
      largest_face = larger(largest_face, faces[k]);
    }
    V smallest = largest_face;
    for (int k = 0; k < n_faces; ++k) smallest = faces[k] > zero ? smaller(smallest, faces[k]) : smallest;
    f[0] = closed * (1.0f / float(n_faces));
    f[1] = c.shift * inverse;
    f[2] = (distance(c.x0, c.x1) + distance(c.y0, c.y1) + distance(c.z0, c.z1)) * inverse;
    f[3] = larger(larger(x, y), z) * inverse;
    f[4] = largest_face > zero ? one - smallest / largest_face : zero;
  }
};

template <class V>
PYSOLVE_SHARED V evaluate(const cell_net& net, const V* f) {
  constexpr int n = cell_net::n_features, m = cell_net::n_hidden;
  const float *W1 = net.parameters, *b1 = W1 + n * m, *w2 = b1 + m, *rest = w2 + m;
  const V zero = {};
  V out = zero + rest[0];
  for (int h = 0; h < m; ++h) {
    V v = zero + b1[h];
    for (int k = 0; k < n; ++k) v += W1[h * n + k] * f[k];
    out += w2[h] * larger(v, zero);
  }
  return smaller(larger(out, zero + rest[1]), zero + rest[2]);
}

// D and h of a cell.
template <class V>
PYSOLVE_SHARED V weighted_inverse(const cell_net& relaxation, const cell_features<V>& c) {
  return evaluate(relaxation, c.f) * c.inverse;
}
template <class V>
PYSOLVE_SHARED V half_resistance(const cell_net& resistance, const cell_features<V>& c) {
  const V zero = {};
  return c.inverse > zero ? evaluate(resistance, c.f) : zero - 1.0f;
}

// ---- pairs of cells ----------------------------------------------------------------------------------------------

constexpr float no_conductance = 1e-30f;  // stands for a closed face inside a pair
constexpr float no_way = 1e25f;           // resistances beyond this one are those of closed faces

// Resistance between the centre of a pair and one of its cells.
template <class V>
PYSOLVE_SHARED V to_centre(V half, V partner, V inside) {
  const V zero = {};
  return partner < zero ? zero : half / larger(inside, zero + no_conductance);
}
template <class V>
PYSOLVE_SHARED V in_series(V weight, V g, V h) {
  const V zero = {}, one = zero + 1.0f, way = g + h < zero + no_way ? weight : zero;
  return way > zero ? one / (one / way + g + h) : zero;
}
template <class V>
PYSOLVE_SHARED V share(V weight, V g, V h) {
  const V zero = {}, one = zero + 1.0f, way = h < zero + no_way ? weight : zero;
  return way > zero ? g / (g + one / way + h) : zero;
}

// A cell seen from the face outside its pair: the runs (see slabs) of the cell, of its partner and of the face between
// them, -1 where there is none; and whether its alpha is to be set at that face.
struct side_cell {
  index_t cell = -1, partner = -1, inside = -1;
  bool sets_alpha = false;

  PYSOLVE_SHARED side_cell(const slabs& s, index_t slab, index_t i) {
    if (i < 0) return;
    const index_t beside = i % 2 ? i - 1 : i + 1, base = slab * s.n;
    cell = base + i;
    if (beside < s.n) partner = base + beside, inside = base + slab + (i % 2 ? i : beside);
    sets_alpha = true;
  }
};

// Coarse face I of a slab, I <= n_pairs: the fine face there, and the cells at its sides.
struct coarse_face {
  index_t fine;
  side_cell low, high;
  bool joins_to_itself;  // the only pair of a periodic axis: its face weighs nothing

  PYSOLVE_SHARED coarse_face(const slabs& s, index_t slab, index_t I)
      : fine(slab * (s.n + 1) + (I < s.n_pairs ? 2 * I : s.n)),
        low(s, slab, below(s, I)),
        high(s, slab,
             I < s.n_pairs ? 2 * I
             : s.periodic  ? 0
                           : -1),
        joins_to_itself(s.periodic && s.n_pairs == 1) {
    // A single cell at the end has one alpha, for the pair before it; a periodic face is met twice, and set once.
    if (below(s, I) % 2 == 0) low.sets_alpha = false;
    if (s.periodic && I == s.n_pairs) low.sets_alpha = high.sets_alpha = false;
  }
  PYSOLVE_SHARED static index_t below(const slabs& s, index_t I) {
    return I == s.n_pairs ? s.n - 1 : I > 0 ? 2 * I - 1 : s.periodic ? s.n - 1 : -1;
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
