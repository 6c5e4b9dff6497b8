// multilevel_cells, multilevel_join and multilevel_add: a level made from the one below it.
#include <vector>

#include "multilevel.hpp"
#include "multilevel_cell.hpp"
#include "parallel.hpp"
#include "simd.hpp"

namespace pysolve::cpu {
namespace {

// ---- what surrounds a cell, and what the nets make of it ---------------------------------------------------------

// Rows of face weights, also where they are one constant for an axis.
struct face_rows {
  const grid<float>& A;
  std::vector<float> constant[3], closed;
  explicit face_rows(const grid<float>& grid) : A(grid), closed(grid.n[2] + 1, 0.0f) {
    for (int a = 0; a < 3; ++a) constant[a].assign(A.n[2] + 1, A.constant[a]);
    if (A.low[2] == side::neumann) constant[2].front() = 0;
    if (A.high[2] == side::neumann) constant[2].back() = 0;
  }
  // Faces at `i` along axis 0 or 1 of the cells of a row; `row` is that of the array.
  const float* across(int axis, index_t i, index_t row) const {
    if (A.weights[axis]) return A.weights[axis] + row * A.n[2];
    return constant_is_open(A, axis, i) ? constant[axis].data() : closed.data();
  }
  const float* along(index_t row) const {
    return A.weights[2] ? A.weights[2] + row * (A.n[2] + 1) : constant[2].data();
  }
};

struct cell_outputs {
  cell_net relaxation, resistance;
  float *inverse, *half;
  bool is_3d;
};

// The cells from k on of a row, as many as V holds.
template <class V, class Get, class Put>
PYSOLVE_INLINE void cells_at(const cell_outputs& out, const around<const float*>& row, float shift,
                             index_t first, index_t k, Get get, Put put) {
  const around<V> c{get(row.x0 + k),
                    get(row.x1 + k),
                    get(row.y0 + k),
                    get(row.y1 + k),
                    get(row.z0 + k),
                    get(row.z0 + k + 1),
                    row.shift ? get(row.shift + k) : V{} + shift};
  const cell_features<V> features(c, out.is_3d);
  if (out.inverse) put(out.inverse + first + k, weighted_inverse(out.relaxation, features));
  if (out.half) put(out.half + first + k, half_resistance(out.resistance, features));
}

PYSOLVE_CLONES void rows_cells(const face_rows& faces, const cell_outputs& out, index_t begin, index_t end) {
  const grid<float>& A = faces.A;
  const index_t n1 = A.n[1], n2 = A.n[2];
  const auto get8 = [](const float* p) PYSOLVE_LAMBDA { return load(p); };
  const auto get1 = [](const float* p) PYSOLVE_LAMBDA { return *p; };
  const auto put8 = [](float* p, lanes<float> v) PYSOLVE_LAMBDA { store(p, v); };
  const auto put1 = [](float* p, float v) PYSOLVE_LAMBDA { *p = v; };
  for (index_t row = begin; row < end; ++row) {
    const index_t i = row / n1, j = row - i * n1;
    const around<const float*> at{faces.across(0, i, row),
                                  faces.across(0, i + 1, row + n1),
                                  faces.across(1, j, row + i),
                                  faces.across(1, j + 1, row + i + 1),
                                  faces.along(row),
                                  nullptr,
                                  A.shift ? A.shift + row * n2 : nullptr};
    index_t k = 0;
    for (; k + n_lanes <= n2; k += n_lanes)
      cells_at<lanes<float>>(out, at, A.shift0, row * n2, k, get8, put8);
    for (; k < n2; ++k) cells_at<float>(out, at, A.shift0, row * n2, k, get1, put1);
  }
}

// ---- pairs of cells -------------------------------------------------------------------------------------------------

// What is read and written of a cell at a side of a face (null: nothing there, or nothing to write).
struct side_run {
  const float *half = nullptr, *partner = nullptr, *inside = nullptr;
  float* alpha = nullptr;
  side_run(const float* h, const float* p, const float* i, float* a)
      : half(h), partner(p), inside(i), alpha(a) {}
  side_run(const side_cell& c, const float* weights, const float* h, float* a, index_t n)
      : half(run(h, c.cell, n)),
        partner(run(h, c.partner, n)),
        inside(run(weights, c.inside, n)),
        alpha(c.sets_alpha ? run(a, c.cell, n) : nullptr) {}
  template <class T>
  static T* run(T* p, index_t i, index_t n) {
    return i < 0 ? nullptr : p + i * n;
  }
};

// `paired`: the cell has a partner, and so a resistance.
template <class V, bool low_paired, bool high_paired, class Get, class Put>
PYSOLVE_INLINE void join_at(const float* weight, const side_run& low, const side_run& high, float* coarse,
                            index_t k, Get get, Put put) {
  V g = {}, h = {};
  if constexpr (low_paired) g = to_centre<V>(get(low.half + k), get(low.partner + k), get(low.inside + k));
  if constexpr (high_paired)
    h = to_centre<V>(get(high.half + k), get(high.partner + k), get(high.inside + k));
  const V w = get(weight + k);
  put(coarse + k, in_series<V>(w, g, h));
  if (low.alpha) put(low.alpha + k, share<V>(w, g, h));
  if (high.alpha) put(high.alpha + k, share<V>(w, h, g));
}

template <bool low_paired, bool high_paired>
PYSOLVE_CLONES void run_join(const float* weight, const side_run& low, const side_run& high, float* coarse,
                             index_t n) {
  const auto get8 = [](const float* p) PYSOLVE_LAMBDA { return load(p); };
  const auto get1 = [](const float* p) PYSOLVE_LAMBDA { return *p; };
  const auto put8 = [](float* p, lanes<float> v) PYSOLVE_LAMBDA { store(p, v); };
  const auto put1 = [](float* p, float v) PYSOLVE_LAMBDA { *p = v; };
  index_t k = 0;
  for (; k + n_lanes <= n; k += n_lanes)
    join_at<lanes<float>, low_paired, high_paired>(weight, low, high, coarse, k, get8, put8);
  for (; k < n; ++k) join_at<float, low_paired, high_paired>(weight, low, high, coarse, k, get1, put1);
}

// Face I of a slab: the one below pair I, or above the last.
void join_face(const slabs& s, const float* weights, const float* half, float* coarse, float* alpha,
               index_t slab, index_t I) {
  const coarse_face face(s, slab, I);
  const side_run low(face.low, weights, half, alpha, s.inner), high(face.high, weights, half, alpha, s.inner);
  const float* weight = weights + face.fine * s.inner;
  float* out = coarse + (slab * (s.n_pairs + 1) + I) * s.inner;
  if (low.partner && high.partner)
    run_join<true, true>(weight, low, high, out, s.inner);
  else if (low.partner)
    run_join<true, false>(weight, low, high, out, s.inner);
  else if (high.partner)
    run_join<false, true>(weight, low, high, out, s.inner);
  else
    run_join<false, false>(weight, low, high, out, s.inner);
  if (face.joins_to_itself) std::fill_n(out, s.inner, 0.0f);
}

// The faces between the pairs of one row: their cells and faces lie two apart, and are brought together first.
struct row_faces {
  std::vector<float> weight, low_half, low_partner, low_inside, high_half, high_partner, high_inside,
      alpha[2];
  explicit row_faces(index_t n)
      : weight(n),
        low_half(n),
        low_partner(n),
        low_inside(n),
        high_half(n),
        high_partner(n),
        high_inside(n),
        alpha{std::vector<float>(n), std::vector<float>(n)} {}
};

// All faces 2 I of a row with a whole pair at both sides: 0 < I < n / 2.
PYSOLVE_CLONES void join_row(const float* w, const float* half, float* coarse, float* alpha, index_t n,
                             row_faces& f) {
  const index_t inner = n / 2 - 1;
  for (index_t k = 0; k < inner; ++k) {
    const index_t face = 2 * k + 2;
    f.weight[k] = w[face];
    f.low_half[k] = half[face - 1], f.low_partner[k] = half[face - 2], f.low_inside[k] = w[face - 1];
    f.high_half[k] = half[face], f.high_partner[k] = half[face + 1], f.high_inside[k] = w[face + 1];
  }
  const side_run low{f.low_half.data(), f.low_partner.data(), f.low_inside.data(), f.alpha[0].data()};
  const side_run high{f.high_half.data(), f.high_partner.data(), f.high_inside.data(), f.alpha[1].data()};
  run_join<true, true>(f.weight.data(), low, high, coarse + 1, inner);
  for (index_t k = 0; k < inner; ++k) {
    alpha[2 * k + 1] = f.alpha[0][k];
    alpha[2 * k + 2] = f.alpha[1][k];
  }
}

template <class T>
PYSOLVE_CLONES void cells_narrow(const T* values, double factor, float least, float* out, index_t begin,
                                 index_t end) {
  for (index_t k = begin; k < end; ++k) {
    const float v = float(values[k] * factor), raised = v < least ? least : v;
    out[k] = values[k] > 0 ? raised : 0.0f;
  }
}

}  // namespace

void multilevel_cells(const grid<float>& A, cell_net relaxation, cell_net resistance, float* inverse,
                      float* half) {
  const face_rows faces(A);
  const cell_outputs out{relaxation, resistance, inverse, half, A.n[1] > 1};
  parallel_ranges(A.n[0] * A.n[1], n_threads(A.size() * 24),
                  [&](index_t begin, index_t end) { rows_cells(faces, out, begin, end); });
}

void multilevel_join(const pairing& p, const float* weights, const float* half, float* coarse, float* alpha) {
  const slabs s(p);
  const index_t faces = s.n_pairs + 1, whole = s.n / 2;
  const int threads = n_threads(s.outer * s.n * s.inner * 14);
  if (s.inner > 1 || whole < 2) {
    parallel_ranges(s.outer * faces, threads, [&](index_t begin, index_t end) {
      for (index_t at = begin; at < end; ++at)
        join_face(s, weights, half, coarse, alpha, at / faces, at % faces);
    });
    return;
  }
  parallel_ranges(s.outer, threads, [&](index_t begin, index_t end) {
    row_faces between(whole);
    for (index_t row = begin; row < end; ++row) {
      join_row(weights + row * (s.n + 1), half + row * s.n, coarse + row * faces, alpha + row * s.n, s.n,
               between);
      join_face(s, weights, half, coarse, alpha, row, 0);
      for (index_t I = whole; I < faces; ++I) join_face(s, weights, half, coarse, alpha, row, I);
    }
  });
}

template <class T>
void multilevel_narrow(const T* values, double factor, float least, float* out, index_t n) {
  const blocks cut(n, 1 << 12);
  parallel_ranges(cut.count, n_threads(n * index_t(4 + sizeof(T))), [&](index_t first, index_t last) {
    cells_narrow(values, factor, least, out, cut.begin(first), cut.end(last - 1));
  });
}
template void multilevel_narrow(const float*, double, float, float*, index_t);
template void multilevel_narrow(const double*, double, float, float*, index_t);

void multilevel_add(const pairing& p, const float* fine, float* coarse) {
  const slabs s(p);
  parallel_ranges(s.outer * s.n_pairs, n_threads(s.outer * s.n * s.inner * 6),
                  [&](index_t begin, index_t end) {
                    for (index_t at = begin; at < end; ++at) {
                      const index_t slab = at / s.n_pairs, I = at - slab * s.n_pairs;
                      const float* a = fine + (slab * s.n + 2 * I) * s.inner;
                      const float* b = s.high(I) >= 0 ? a + s.inner : nullptr;
                      float* out = coarse + at * s.inner;
                      for (index_t k = 0; k < s.inner; ++k) out[k] = b ? a[k] + b[k] : a[k];
                    }
                  });
}

}  // namespace pysolve::cpu
