// The CUDA kernels of a whole V-cycle as bodies (see device_body.hpp); what each moves is in multilevel_cycle.hpp.
#pragma once
#include "multilevel_body.hpp"
#include "multilevel_cycle.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// P^T of the residual for pairs of cells along axis 0, of which none is stored in between. A thread takes a run of pairs,
// and the cells beside it, which reach into its first and its last pair.
template <class Faces, class T>
struct multilevel_rest_in_pairs_body {
  static constexpr index_t longest = longest_run / 2;
  grid<float> A;
  axis_transfer to;  // along axis 0
  residual_in_cell<T> rest;
  const float* x;
  float* coarse;
  PYSOLVE_BODY index_t n_blocks() const { return column_runs(A.n, to.n_pairs(), longest).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_columns(A.n, to.n_pairs(), longest, at, [&](index_t first, index_t end, index_t j, index_t k) {
      const bool left = to.high(to.before(first)) >= 0, right = to.low(to.after(end - 1)) >= 0;
      const index_t last = 2 * end < A.n[0] ? 2 * end : A.n[0];  // past the cells of the run
      float* out = coarse + (first * A.n[1] + j) * A.n[2] + k;
      run(2 * first - left, last - 2 * first + left + right, j, k, out, end - first);
    });
  }
  // The cells of one run, the first of them perhaps at -1, into n pairs.
  PYSOLVE_BODY void run(index_t first, index_t count, index_t j, index_t k, float* out, index_t n) const {
    const index_t plane = A.n[1] * A.n[2];
    index_t pair = -1;
    float total = 0, carry = 0;  // of the pair at hand, and what its high cell has for the next one
    march<Faces>(
        A, first, count, j, k, [this](index_t cell) { return x[cell]; },
        [&](index_t i, index_t cell, float, float v) {
          const float f = rest(cell, v), beyond = to.alpha[cell] * f, own = f - beyond;
          if (i % 2) {
            total += own;
            carry = beyond;
            return;
          }
          if (pair >= 0) out[pair * plane] = total + beyond;
          ++pair;
          total = carry + own;
        });
    if (pair == n - 1) out[pair * plane] = total;
  }
};

// ---- transfers along several axes at once ------------------------------------------------------------------------

// A cell of a box, whose coordinates are not indexed: an array that is would lie in memory.
struct box_place {
  index_t i, j, k;
  PYSOLVE_BODY index_t along(int axis) const { return axis == 0 ? i : axis == 1 ? j : k; }
  PYSOLVE_BODY box_place moved(int axis, index_t to) const {
    return {axis == 0 ? to : i, axis == 1 ? to : j, axis == 2 ? to : k};
  }
  PYSOLVE_BODY index_t in(const index_t n[3]) const { return (i * n[1] + j) * n[2] + k; }
  PYSOLVE_BODY index_t in_coarse(const axis_transfer& t) const {
    return (i * t.n_coarse(1) + j) * t.n_coarse(2) + k;
  }
};

// P^T ... P^T fine at a place of the box that `count` transfers lead to.
template <int count>
PYSOLVE_BODY float restricted(const axis_transfer* to, const float* fine, const box_place& at) {
  if constexpr (count == 0)
    return 0;
  else {
    const axis_transfer& t = to[count - 1];
    const index_t I = at.along(t.axis);
    const auto cell = [&](index_t i, bool inside) {
      if (i < 0) return 0.0f;
      const box_place place = at.moved(t.axis, i);
      const index_t here = place.in(t.n);
      const float share = t.alpha[here], f = count == 1 ? fine[here] : restricted<count - 1>(to, fine, place);
      return (inside ? 1 - share : share) * f;
    };
    return cell(2 * I, true) + cell(t.high(I), true) + cell(t.high(t.before(I)), false) +
           cell(t.low(t.after(I)), false);
  }
}

// P ... P coarse at a place of the box before `count` transfers, the first of them to[0].
template <int count>
PYSOLVE_BODY float prolonged(const axis_transfer* to, const float* coarse, const box_place& at) {
  const index_t i = at.along(to->axis), I = i / 2, J = i % 2 ? to->after(I) : to->before(I);
  const auto pair = [&](index_t p) {
    const box_place place = at.moved(to->axis, p);
    if constexpr (count == 1)
      return coarse[place.in_coarse(*to)];
    else
      return prolonged<count - 1>(to + 1, coarse, place);
  };
  const float own = pair(I), other = J >= 0 ? pair(J) : 0.0f;
  return own + to->alpha[at.in(to->n)] * (other - own);
}

// visit(cell, its place) for all cells of a box.
template <class Place, class Visit>
PYSOLVE_AT_PLACE void over_places(const index_t n[3], const Place& at, Visit visit) {
  over_pieces(n, at, [&](index_t row) {
    const index_t i = row / n[1], j = row - i * n[1], first = row * n[2];
    return [&visit, i, j, first](index_t k) { visit(first + k, box_place{i, j, k}); };
  });
}

template <int count>
struct multilevel_restrict_axes_body {
  axis_transfer to[count];
  const float* fine;
  float* coarse;
  struct box {
    index_t n[3];
    PYSOLVE_BODY explicit box(const axis_transfer& t) : n{t.n_coarse(0), t.n_coarse(1), t.n_coarse(2)} {}
  };
  PYSOLVE_BODY index_t n_blocks() const { return row_pieces(box(to[count - 1]).n).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_places(box(to[count - 1]).n, at, [&](index_t cell, const box_place& place) {
      coarse[cell] = restricted<count>(to, fine, place);
    });
  }
};

// fine = scale P coarse, or with add: fine += scale P coarse.
template <int count>
struct multilevel_prolong_axes_body {
  axis_transfer to[count];
  const float* coarse;
  float scale;
  bool add;
  float* fine;
  PYSOLVE_BODY index_t n_blocks() const { return row_pieces(to[0].n).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_places(to[0].n, at, [&](index_t cell, const box_place& place) {
      const float v = scale * prolonged<count>(to, coarse, place);
      fine[cell] = add ? fine[cell] + v : v;
    });
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
