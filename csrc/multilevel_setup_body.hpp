// The CUDA kernels of multilevel that make a level from the one below it, as bodies (see device_body.hpp).
#pragma once
#include "multilevel_body.hpp"
#include "multilevel_cell.hpp"

namespace pysolve::PYSOLVE_BACKEND {

template <class T>
struct multilevel_narrow_body {
  const T* values;
  T factor;
  float least;
  float* out;
  index_t n;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, n, [&](index_t i) {
      const float v = float(values[i] * factor);
      out[i] = values[i] > 0 ? larger(v, least) : 0.0f;
    });
  }
};

// A net whose parameters, which are on the host, travel to the device in the body.
struct net_copy {
  float parameters[cell_net::n_parameters];
  explicit net_copy(const cell_net& net) {
    for (index_t k = 0; k < cell_net::n_parameters; ++k) parameters[k] = net.parameters[k];
  }
  PYSOLVE_BODY cell_net net() const { return {parameters}; }
};

// What surrounds the cell (i, j, k), whose number is `cell`.
struct cell_surroundings {
  const grid<float>& A;
  index_t i, j, cell;
  // Face `at` along an axis, which lies at `place` of an array.
  PYSOLVE_BODY float face(int axis, index_t at, index_t place) const {
    if (A.weights[axis]) return A.weights[axis][place];
    return constant_is_open(A, axis, at) ? A.constant[axis] : 0.0f;
  }
  PYSOLVE_BODY around<float> at(index_t k) const {
    const index_t row = A.n[2], plane = A.n[1] * row, y = cell + i * row, z = cell + i * A.n[1] + j;
    return {face(0, i, cell),
            face(0, i + 1, cell + plane),
            face(1, j, y),
            face(1, j + 1, y + row),
            face(2, k, z),
            face(2, k + 1, z + 1),
            A.shift ? A.shift[cell] : A.shift0};
  }
};

struct multilevel_cells_body {
  grid<float> A;
  net_copy relaxation, resistance;
  float *inverse, *half;
  PYSOLVE_BODY index_t n_blocks() const { return row_pieces(A.n).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_pieces(A.n, at, [&](index_t row) {
      const index_t i = row / A.n[1], j = row - i * A.n[1];
      return [this, row, i, j](index_t k) {
        const index_t c = row * A.n[2] + k;
        const cell_features<float> features(cell_surroundings{A, i, j, c}.at(k), A.n[1] > 1);
        if (inverse) inverse[c] = weighted_inverse(relaxation.net(), features);
        if (half) half[c] = half_resistance(resistance.net(), features);
      };
    });
  }
};

struct multilevel_join_body {
  slabs s;
  const float *weights, *half;
  float *coarse, *alpha;
  PYSOLVE_BODY index_t n_blocks() const { return slab_rows(s, s.n_pairs + 1).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_slabs(s, s.n_pairs + 1, at, [&](index_t slab, index_t I, index_t k) {
      const coarse_face face(s, slab, I);
      const float w = weights[face.fine * s.inner + k];
      const float g = resistance(face.low, k), h = resistance(face.high, k);
      const index_t here = (slab * (s.n_pairs + 1) + I) * s.inner + k;
      coarse[here] = face.joins_to_itself ? 0.0f : in_series(w, g, h);
      if (face.low.sets_alpha) alpha[face.low.cell * s.inner + k] = share(w, g, h);
      if (face.high.sets_alpha) alpha[face.high.cell * s.inner + k] = share(w, h, g);
    });
  }
  PYSOLVE_BODY float resistance(const side_cell& c, index_t k) const {
    if (c.partner < 0) return 0;
    return to_centre(half[c.cell * s.inner + k], half[c.partner * s.inner + k],
                     weights[c.inside * s.inner + k]);
  }
};

struct multilevel_add_body {
  slabs s;
  const float* fine;
  float* coarse;
  PYSOLVE_BODY index_t n_blocks() const { return slab_rows(s, s.n_pairs).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_slabs(s, s.n_pairs, at, [&](index_t slab, index_t I, index_t k) {
      const float* f = fine + (slab * s.n + 2 * I) * s.inner + k;
      coarse[(slab * s.n_pairs + I) * s.inner + k] = s.high(I) >= 0 ? f[0] + f[s.inner] : f[0];
    });
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
