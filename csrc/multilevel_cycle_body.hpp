// The CUDA kernels of a whole V-cycle as bodies (see device_body.hpp); what each moves is in multilevel_cycle.hpp.
#pragma once
#include "multilevel_body.hpp"
#include "multilevel_cycle.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// A cell of a box. Axes are known when this is compiled, or what depends on a row alone could not be kept for its cells.
struct box_place {
  index_t i, j, k;
  template <int axis>
  PYSOLVE_BODY index_t along() const {
    return axis == 0 ? i : axis == 1 ? j : k;
  }
  template <int axis>
  PYSOLVE_BODY box_place moved(index_t to) const {
    return {axis == 0 ? to : i, axis == 1 ? to : j, axis == 2 ? to : k};
  }
  PYSOLVE_BODY index_t in(const index_t n[3]) const { return (i * n[1] + j) * n[2] + k; }
};

// The pairs of a transfer: the one before and after pair I, and the high and low cell of a pair, or -1.
template <int axis>
struct pairs_along {
  index_t n, n_pairs;
  bool periodic;
  PYSOLVE_BODY explicit pairs_along(const axis_transfer& t)
      : n(t.n[axis]), n_pairs((n + 1) / 2), periodic(t.periodic) {}
  PYSOLVE_BODY index_t before(index_t I) const { return I > 0 ? I - 1 : periodic ? n_pairs - 1 : -1; }
  PYSOLVE_BODY index_t after(index_t I) const { return I + 1 < n_pairs ? I + 1 : periodic ? 0 : -1; }
  PYSOLVE_BODY index_t high(index_t I) const { return I >= 0 && 2 * I + 1 < n ? 2 * I + 1 : -1; }
  PYSOLVE_BODY index_t low(index_t I) const { return I >= 0 ? 2 * I : -1; }
};

// The box of pairs of a transfer.
template <int axis>
struct coarse_box {
  index_t n[3];
  PYSOLVE_BODY explicit coarse_box(const axis_transfer& t)
      : n{axis == 0 ? (t.n[0] + 1) / 2 : t.n[0], axis == 1 ? (t.n[1] + 1) / 2 : t.n[1],
          axis == 2 ? (t.n[2] + 1) / 2 : t.n[2]} {}
};

// P^T of the residual for pairs of cells along axis 0, of which none is stored in between. A thread takes a run of pairs,
// and the cells beside it, which reach into its first and its last pair.
template <class Faces, class T>
struct multilevel_rest_in_pairs_body {
  static constexpr int blocks_at_once = walk_blocks;
  static constexpr index_t longest = longest_run / 2;
  grid<float> A;
  axis_transfer to;  // along axis 0
  residual_in_cell<T> rest;
  const float* x;
  float* coarse;
  PYSOLVE_BODY index_t n_blocks() const { return column_runs(A.n, (A.n[0] + 1) / 2, longest).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const pairs_along<0> pairs(to);
    over_columns(A.n, pairs.n_pairs, longest, at, [&](index_t first, index_t end, index_t j, index_t k) {
      const bool left = pairs.high(pairs.before(first)) >= 0, right = pairs.low(pairs.after(end - 1)) >= 0;
      const index_t last = 2 * end < A.n[0] ? 2 * end : A.n[0];  // past the cells of the run
      float* out = coarse + (first * A.n[1] + j) * A.n[2] + k;
      run(2 * first - left, last + right, right, j, k, out);
    });
  }
  // The cells of one run into its pairs. The first may be at -1, the last at n[0]: beyond the ends of a periodic box.
  // The last one belongs to the pair after the run with `right`.
  PYSOLVE_BODY void run(index_t first, index_t last, bool right, index_t j, index_t k, float* out) const {
    const index_t plane = A.n[1] * A.n[2];
    bool inside = false;         // whether there is a pair at hand
    float total = 0, carry = 0;  // of that pair, and what its high cell has for the next one
    const auto value = [this](index_t cell) { return x[cell]; };
    const auto gather = [&](index_t i, index_t cell, float, float v) {
      const float share = to.alpha[cell], f = rest(cell, v), beyond = share * f, own = f - beyond;
      const bool high = i % 2;
      if (inside && !high) {
        *out = total + beyond;
        out += plane;
      }
      total = high ? total + own : carry + own;
      carry = beyond;
      inside |= !high;
    };
    if (first < 0) march<Faces>(A, first + A.n[0], A.n[0], j, k, value, gather);
    march<Faces>(A, first < 0 ? 0 : first, last < A.n[0] ? last : A.n[0], j, k, value, gather);
    if (last > A.n[0]) march<Faces>(A, 0, last - A.n[0], j, k, value, gather);
    if (!right) *out = total;
  }
};

// ---- transfers along several axes at once ------------------------------------------------------------------------

// P^T fine at a place of the box of pairs along `axis`, which `to` leads to; along the axes `before` it by the transfers
// before `to`, the nearest first.
template <int axis, int... before>
PYSOLVE_BODY float restricted(const axis_transfer* to, const float* fine, const box_place& at) {
  const pairs_along<axis> pairs(*to);
  const index_t I = at.along<axis>();
  const auto cell = [&](index_t i, bool inside) {
    const box_place place = at.moved<axis>(i < 0 ? 2 * I : i);  // where there is none, read without use
    const index_t here = place.in(to->n);
    const float share = to->alpha[here];
    float f;
    if constexpr (sizeof...(before) == 0)
      f = fine[here];
    else
      f = restricted<before...>(to - 1, fine, place);
    const float v = (inside ? 1 - share : share) * f;
    return i < 0 ? 0.0f : v;
  };
  return cell(2 * I, true) + cell(pairs.high(I), true) + cell(pairs.high(pairs.before(I)), false) +
         cell(pairs.low(pairs.after(I)), false);
}

// P coarse at a place of the box before the transfer `to`, along `axis` and then, by those after `to`, the axes `next`.
template <int axis, int... next>
PYSOLVE_BODY float prolonged(const axis_transfer* to, const float* coarse, const box_place& at) {
  const pairs_along<axis> pairs(*to);
  const index_t i = at.along<axis>(), I = i / 2, J = i % 2 ? pairs.after(I) : pairs.before(I);
  const auto pair = [&](index_t p) {
    const box_place place = at.moved<axis>(p);
    if constexpr (sizeof...(next) == 0)
      return coarse[place.in(coarse_box<axis>(*to).n)];
    else
      return prolonged<next...>(to + 1, coarse, place);
  };
  const float share = to->alpha[at.in(to->n)], own = pair(I), beside = pair(J < 0 ? I : J);
  return own + share * ((J < 0 ? 0.0f : beside) - own);
}

// The same for the cells 2 K and 2 K + 1 of a row, where the last of the axes is that of the rows: `at` has K as its k.
// They share what lies below them, and most of the addresses.
struct two_cells {
  float low, high;
};
template <int axis, int... next>
PYSOLVE_BODY two_cells prolonged_two(const axis_transfer* to, const float* coarse, const box_place& at) {
  const pairs_along<axis> pairs(*to);
  const index_t n = to->n[2], row = at.i * to->n[1] + at.j, first = row * n + 2 * at.k;
  const float* alpha = to->alpha + first;
  const float low = alpha[0], high = alpha[2 * at.k + 1 < n];
  if constexpr (sizeof...(next) == 0) {
    const float* c = coarse + row * pairs.n_pairs;
    const index_t K = at.k, before = pairs.before(K), after = pairs.after(K);
    const float own = c[K], left = c[before < 0 ? K : before], right = c[after < 0 ? K : after];
    return {own + low * ((before < 0 ? 0.0f : left) - own), own + high * ((after < 0 ? 0.0f : right) - own)};
  } else {
    const index_t i = at.along<axis>(), I = i / 2, J = i % 2 ? pairs.after(I) : pairs.before(I);
    const two_cells own = prolonged_two<next...>(to + 1, coarse, at.moved<axis>(I)),
                    beside = prolonged_two<next...>(to + 1, coarse, at.moved<axis>(J < 0 ? I : J));
    return {own.low + low * ((J < 0 ? 0.0f : beside.low) - own.low),
            own.high + high * ((J < 0 ? 0.0f : beside.high) - own.high)};
  }
}

// visit(cell, its place) for all cells of a box.
template <class Place, class Visit>
PYSOLVE_AT_PLACE void over_places(const index_t n[3], const Place& at, Visit visit) {
  over_pieces(n, at, [&](index_t row) {
    const index_t i = row / n[1], j = row - i * n[1], first = row * n[2];
    return [&visit, i, j, first](index_t k) { visit(first + k, box_place{i, j, k}); };
  });
}

// The axes from the last to the first.
template <int last, int... before>
struct multilevel_restrict_axes_body {
  static constexpr int count = 1 + sizeof...(before);
  axis_transfer to[count];
  const float* fine;
  float* coarse;
  PYSOLVE_BODY index_t n_blocks() const { return row_pieces(coarse_box<last>(to[count - 1]).n).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const coarse_box<last> box(to[count - 1]);
    over_places(box.n, at, [&](index_t cell, const box_place& place) {
      coarse[cell] = restricted<last, before...>(to + count - 1, fine, place);
    });
  }
};

// fine = scale P coarse, or with add: fine += scale P coarse.
template <int... axes>
struct multilevel_prolong_axes_body {
  static constexpr int count = sizeof...(axes);
  static constexpr bool in_twos = ((axes == 2) || ...);
  axis_transfer to[count];
  const float* coarse;
  float scale;
  bool add;
  float* fine;
  // What is shared out: the cells, or two of a row at a time.
  struct box {
    index_t n[3];
    PYSOLVE_BODY explicit box(const axis_transfer& t)
        : n{t.n[0], t.n[1], in_twos ? (t.n[2] + 1) / 2 : t.n[2]} {}
  };
  PYSOLVE_BODY index_t n_blocks() const { return row_pieces(box(to[0]).n).n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const box all(to[0]);
    over_places(all.n, at, [&](index_t cell, const box_place& place) {
      if constexpr (in_twos)
        put_two(place);
      else
        put(fine + cell, prolonged<axes...>(to, coarse, place));
    });
  }
  PYSOLVE_BODY void put_two(const box_place& place) const {
    const index_t first = (place.i * to[0].n[1] + place.j) * to[0].n[2] + 2 * place.k;
    const two_cells v = prolonged_two<axes...>(to, coarse, place);
    put(fine + first, v.low);
    if (2 * place.k + 1 < to[0].n[2]) put(fine + first + 1, v.high);
  }
  PYSOLVE_BODY void put(float* to_cell, float v) const { *to_cell = add ? *to_cell + scale * v : scale * v; }
};

}  // namespace pysolve::PYSOLVE_BACKEND
