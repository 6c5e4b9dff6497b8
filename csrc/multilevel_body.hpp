// The CUDA kernels of multilevel that run in every cycle, as bodies (see device_body.hpp), and the order in which they
// are launched. Sweeps walk along axis 0; what goes to and from pairs is shared out by pieces of rows, as in stencil.
#pragma once
#include "multilevel_march.hpp"
#include "multilevel_slabs.hpp"
#include "stencil_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// ---- sweeps over the cells of a level ----------------------------------------------------------------------------

// The largest values met: "sums" are maxima, which do not depend on their order.
struct walk_maxima {
  float largest = 0, solid = 0;
  PYSOLVE_BODY walk_maxima& operator+=(const walk_maxima& o) {
    largest = o.largest > largest ? o.largest : largest;
    solid = o.solid > solid ? o.solid : solid;
    return *this;
  }
};

template <class T>
struct multilevel_largest_body {
  using result = walk_maxima;
  const T* b;
  const float* inverse;
  T factor;
  index_t n;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(n, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE walk_maxima operator()(const Place& at) const {
    walk_maxima found;
    over_elements(at, n, [&](index_t i) {
      const float D = inverse[i], right = float(b[i] * factor), v = right * D;
      found += walk_maxima{v < 0 ? -v : v, D > 0 ? 0.0f : right < 0 ? -right : right};
    });
    return found;
  }
};

constexpr index_t longest_run = 32;  // cells, of which two neighbours are read besides

// u = factor D r, and x = (a - c D A) u: two steps from x = 0, with a = tau_0 + tau_1, c = tau_0 tau_1.
template <class Faces, class T>
struct multilevel_first_steps_body {
  grid<float> A;
  const T* r;
  T factor;
  const float* inverse;
  float a, c;
  float *u, *x;
  PYSOLVE_BODY index_t n_blocks() const { return column_runs(A.n, A.n[0], longest_run).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const auto scaled = [this](index_t cell) { return float(r[cell] * factor) * inverse[cell]; };
    over_columns(A.n, A.n[0], longest_run, at, [&](index_t first, index_t last, index_t j, index_t k) {
      march<Faces>(A, first, last - first, j, k, scaled, [&](index_t, index_t cell, float here, float v) {
        u[cell] = here;
        x[cell] = a * here - c * inverse[cell] * v;
      });
    });
  }
};

// y = x + tau (u - D A x), times factor; in solid cells what `keep` holds there, or 0. keep may be y.
template <class Faces, class T>
struct multilevel_step_body {
  grid<float> A;
  const float *u, *inverse;
  float tau;
  const float* x;
  T factor;
  const T* keep;
  T* y;
  PYSOLVE_BODY index_t n_blocks() const { return column_runs(A.n, A.n[0], longest_run).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const auto value = [this](index_t cell) { return x[cell]; };
    over_columns(A.n, A.n[0], longest_run, at, [&](index_t first, index_t last, index_t j, index_t k) {
      march<Faces>(A, first, last - first, j, k, value, [&](index_t, index_t cell, float here, float v) {
        const float D = inverse[cell];
        y[cell] = D > 0 ? T(here + tau * (u[cell] - D * v)) * factor : keep ? keep[cell] : T(0);
      });
    });
  }
};

// factor r - A x, 0 in solid cells.
template <class T>
struct residual_in_cell {
  const T* r;
  T factor;
  const float* inverse;
  PYSOLVE_BODY float operator()(index_t cell, float v) const {
    return inverse[cell] > 0 ? float(r[cell] * factor) - v : 0.0f;
  }
};

template <class Faces, class T>
struct multilevel_rest_body {
  grid<float> A;
  residual_in_cell<T> rest;
  const float* x;
  float* y;
  PYSOLVE_BODY index_t n_blocks() const { return column_runs(A.n, A.n[0], longest_run).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const auto value = [this](index_t cell) { return x[cell]; };
    over_columns(A.n, A.n[0], longest_run, at, [&](index_t first, index_t last, index_t j, index_t k) {
      march<Faces>(A, first, last - first, j, k, value,
                   [&](index_t, index_t cell, float, float v) { y[cell] = rest(cell, v); });
    });
  }
};

// ---- to and from pairs of cells ----------------------------------------------------------------------------------

// Every slab with `count` places along the axis (cells, pairs, or faces), as rows to be cut into pieces: each place is
// a row, or where the axis is that of the rows themselves, each slab.
struct slab_rows {
  index_t n[3];
  PYSOLVE_BODY slab_rows(const slabs& s, index_t count)
      : n{s.outer, s.inner == 1 ? 1 : count, s.inner == 1 ? count : s.inner} {}
  PYSOLVE_BODY index_t n_blocks() const { return row_pieces(n).n_blocks(); }
};

// visit(slab, place, k) for every place < count of every slab, k < s.inner.
template <class Place, class Visit>
PYSOLVE_AT_PLACE void over_slabs(const slabs& s, index_t count, const Place& at, Visit visit) {
  const slab_rows rows(s, count);
  if (s.inner == 1)
    over_pieces(rows.n, at, [&](index_t slab) { return [&visit, slab](index_t i) { visit(slab, i, 0); }; });
  else
    over_pieces(rows.n, at, [&](index_t row) {
      const index_t slab = row / count, i = row - slab * count;
      return [&visit, slab, i](index_t k) { visit(slab, i, k); };
    });
}

struct multilevel_restrict_body {
  slabs s;
  const float *alpha, *fine;
  float* coarse;
  PYSOLVE_BODY index_t n_blocks() const { return slab_rows(s, s.n_pairs).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_slabs(s, s.n_pairs, at, [&](index_t slab, index_t I, index_t k) {
      const float *f = fine + slab * s.n * s.inner + k, *a = alpha + slab * s.n * s.inner + k;
      const index_t low = 2 * I * s.inner, high = s.high(I) * s.inner;
      const index_t left = s.high(s.before(I)) * s.inner, right = s.low(s.after(I)) * s.inner;
      float v = (1 - a[low]) * f[low];
      if (high >= 0) v += (1 - a[high]) * f[high];
      if (left >= 0) v += a[left] * f[left];
      if (right >= 0) v += a[right] * f[right];
      coarse[(slab * s.n_pairs + I) * s.inner + k] = v;
    });
  }
};

struct multilevel_prolong_body {
  slabs s;
  const float *alpha, *coarse;
  float scale;
  bool add;
  float* fine;
  PYSOLVE_BODY index_t n_blocks() const { return slab_rows(s, s.n).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_slabs(s, s.n, at, [&](index_t slab, index_t i, index_t k) {
      const index_t I = i / 2, J = i % 2 ? s.after(I) : s.before(I), here = (slab * s.n + i) * s.inner + k;
      const float* c = coarse + slab * s.n_pairs * s.inner + k;
      const float own = c[I * s.inner], other = J >= 0 ? c[J * s.inner] : 0.0f;
      const float v = scale * (own + alpha[here] * (other - own));
      fine[here] = add ? fine[here] + v : v;
    });
  }
};

// ---- launches ----------------------------------------------------------------------------------------------------

template <class Queue, class T>
descent run_multilevel_descend(Queue& queue, const grid<float>& A, const T* b, double factor,
                               const float* inverse, const float* tau, int n_steps, float* u, float* x,
                               float* y) {
  const walk_maxima found = queue.sum(multilevel_largest_body<T>{b, inverse, T(factor), A.size()});
  float* const to[2] = {n_steps % 2 ? y : x, n_steps % 2 ? x : y};  // the last step ends in x
  with_faces_of(A, [&]<class Faces>() {
    queue.run(multilevel_first_steps_body<Faces, T>{A, b, T(factor), inverse, tau[0] + tau[1],
                                                    tau[0] * tau[1], u, to[0]});
    for (int k = 0; k < n_steps - 2; ++k)
      queue.run(multilevel_step_body<Faces, float>{A, u, inverse, tau[k + 2], to[k % 2], 1, nullptr,
                                                   to[1 - k % 2]});
    queue.run(multilevel_rest_body<Faces, T>{A, {b, T(factor), inverse}, x, y});
  });
  return {found.largest, found.solid};
}

template <class Queue, class T>
void run_multilevel_ascend(Queue& queue, const grid<float>& A, const float* alpha, const float* coarse,
                           float scale, const float* u, const float* inverse, const float* tau, int n_steps,
                           float* x, float* y, double factor, T* z) {
  const pairing pairs{{A.n[0], A.n[1], A.n[2]}, 0, A.low[0] == side::periodic};
  if (alpha) queue.run(multilevel_prolong_body{slabs(pairs), alpha, coarse, scale, true, x});
  float* const to[2] = {x, y};
  const int last = n_steps - 1;
  with_faces_of(A, [&]<class Faces>() {
    for (int k = 0; k < last; ++k)
      queue.run(multilevel_step_body<Faces, float>{A, u, inverse, tau[last - k], to[k % 2], 1, nullptr,
                                                   to[1 - k % 2]});
    queue.run(multilevel_step_body<Faces, T>{A, u, inverse, tau[0], to[last % 2], T(factor), nullptr, z});
  });
}

}  // namespace pysolve::PYSOLVE_BACKEND
