// multilevel_cells, multilevel_join and multilevel_add: a level made from the one below it.
#include <vector>

#include "multilevel.hpp"
#include "multilevel_slabs.hpp"
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
    const bool is_open = A.weights[0] == nullptr && (i > 0 || A.low[axis] != side::neumann) &&
                         (i < A.n[axis] || A.high[axis] != side::neumann);
    return is_open ? constant[axis].data() : closed.data();
  }
  const float* along(index_t row) const {
    return A.weights[2] ? A.weights[2] + row * (A.n[2] + 1) : constant[2].data();
  }
};

template <class V>
struct around {
  V x0, x1, y0, y1, z0, z1, shift;
};

template <class V>
PYSOLVE_INLINE V larger(V a, V b) {
  return a > b ? a : b;
}
template <class V>
PYSOLVE_INLINE V smaller(V a, V b) {
  return a < b ? a : b;
}
template <class V>
PYSOLVE_INLINE V distance(V a, V b) {
  return a > b ? a - b : b - a;
}

template <class V>
struct cell_features {
  V inverse;  // of the diagonal, 0 in solid cells
  V f[cell_net::n_features];

  PYSOLVE_INLINE cell_features(const around<V>& c, bool is_3d) {
    const V zero = {}, one = zero + 1.0f;
    const V x = c.x0 + c.x1, y = c.y0 + c.y1, z = c.z0 + c.z1, d = x + y + z + c.shift;
    inverse = d > zero ? one / d : zero;
    const V faces[6] = {c.x0, c.x1, c.z0, c.z1, c.y0, c.y1};
    const int n_faces = is_3d ? 6 : 4;
    V closed = zero, largest = zero;
    for (int k = 0; k < n_faces; ++k) {
      closed += faces[k] > zero ? zero : one;
      largest = larger(largest, faces[k]);
    }
    V smallest = largest;
    for (int k = 0; k < n_faces; ++k) smallest = faces[k] > zero ? smaller(smallest, faces[k]) : smallest;
    f[0] = closed * (1.0f / float(n_faces));
    f[1] = c.shift * inverse;
    f[2] = (distance(c.x0, c.x1) + distance(c.y0, c.y1) + distance(c.z0, c.z1)) * inverse;
    f[3] = larger(larger(x, y), z) * inverse;
    f[4] = largest > zero ? one - smallest / largest : zero;
  }
};

template <class V>
PYSOLVE_INLINE V evaluate(cell_net net, const V* f) {
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
  const V zero = {};
  if (out.inverse) put(out.inverse + first + k, evaluate(out.relaxation, features.f) * features.inverse);
  if (out.half)
    put(out.half + first + k, features.inverse > zero ? evaluate(out.resistance, features.f) : zero - 1.0f);
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

constexpr float no_conductance = 1e-30f;  // stands for a closed face inside a pair
constexpr float no_way = 1e25f;           // resistances beyond this one are those of closed faces

// Resistance between the centre of a pair and one of its cells.
template <class V>
PYSOLVE_INLINE V to_centre(V half, V partner, V inside) {
  const V zero = {};
  return partner < zero ? zero : half / larger(inside, zero + no_conductance);
}
template <class V>
PYSOLVE_INLINE V in_series(V weight, V g, V h) {
  const V zero = {}, one = zero + 1.0f, way = g + h < zero + no_way ? weight : zero;
  return way > zero ? one / (one / way + g + h) : zero;
}
template <class V>
PYSOLVE_INLINE V share(V weight, V g, V h) {
  const V zero = {}, one = zero + 1.0f, way = h < zero + no_way ? weight : zero;
  return way > zero ? g / (g + one / way + h) : zero;
}

// A cell at one side of the face between two pairs, its partner inside the pair and the face between those; nothing of
// that where the cell is alone in its pair or there is none.
struct side_cell {
  const float *half = nullptr, *partner = nullptr, *inside = nullptr;
  float* alpha = nullptr;
};

template <class V, bool low_paired, bool high_paired, class Get, class Put>
PYSOLVE_INLINE void join_at(const float* weight, const side_cell& low, const side_cell& high, float* coarse,
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
PYSOLVE_CLONES void run_join(const float* weight, const side_cell& low, const side_cell& high, float* coarse,
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

void join_sides(const float* weight, const side_cell& low, const side_cell& high, float* coarse, index_t n) {
  if (low.partner && high.partner)
    run_join<true, true>(weight, low, high, coarse, n);
  else if (low.partner)
    run_join<true, false>(weight, low, high, coarse, n);
  else if (high.partner)
    run_join<false, true>(weight, low, high, coarse, n);
  else
    run_join<false, false>(weight, low, high, coarse, n);
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
  const side_cell low{f.low_half.data(), f.low_partner.data(), f.low_inside.data(), f.alpha[0].data()};
  const side_cell high{f.high_half.data(), f.high_partner.data(), f.high_inside.data(), f.alpha[1].data()};
  run_join<true, true>(f.weight.data(), low, high, coarse + 1, inner);
  for (index_t k = 0; k < inner; ++k) {
    alpha[2 * k + 1] = f.alpha[0][k];
    alpha[2 * k + 2] = f.alpha[1][k];
  }
}

// The cell `i` of a slab (-1: beyond the side), seen from the face outside its pair.
side_cell cell_at_side(const slabs& s, const float* weights, const float* half, float* alpha, index_t slab,
                       index_t i) {
  side_cell cell;
  if (i < 0) return cell;
  const index_t partner = i % 2 ? i - 1 : i + 1, base = slab * s.n;
  cell.alpha = alpha + (base + i) * s.inner;
  if (partner >= s.n) return cell;
  cell.half = half + (base + i) * s.inner;
  cell.partner = half + (base + partner) * s.inner;
  cell.inside = weights + (base + slab + std::max(i, partner)) * s.inner;
  return cell;
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

// Face I of a slab: the one below pair I, or above the last.
static void join_face(const slabs& s, const float* weights, const float* half, float* coarse, float* alpha,
                      index_t slab, index_t I) {
  const bool last = I == s.n_pairs;
  const index_t face = last ? s.n : 2 * I;
  index_t below = face - 1, above = last ? -1 : face;
  if (s.periodic && I == 0) below = s.n - 1;
  if (s.periodic && last) above = 0;
  side_cell low = cell_at_side(s, weights, half, alpha, slab, below);
  side_cell high = cell_at_side(s, weights, half, alpha, slab, above);
  // A single cell at the end has one alpha, for the pair before it; a periodic face is met twice, and set once.
  if (below >= 0 && below % 2 == 0) low.alpha = nullptr;
  if (s.periodic && last) low.alpha = high.alpha = nullptr;
  float* out = coarse + (slab * (s.n_pairs + 1) + I) * s.inner;
  join_sides(weights + (slab * (s.n + 1) + face) * s.inner, low, high, out, s.inner);
  if (s.periodic && s.n_pairs == 1) std::fill_n(out, s.inner, 0.0f);
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
