// The diagonal blocks of J^T J, one k x k block a row, inverted: they precondition Gauss-Newton's conjugate gradients,
// and eliminate one factor from them.
#include <cmath>
#include <vector>

#include "matrix_completion_share.hpp"
#include "simd.hpp"

namespace pysolve::cpu {
namespace {

// H += w v v^T, the lower half by whole registers; H has stride ld.
template <class T>
PYSOLVE_INLINE void add_outer(const T* v, T w, index_t k, index_t ld, T* H) {
  for (index_t a = 0; a < k; ++a) {
    const T here = w * v[a];
    for (index_t c = 0; c <= a; c += 8) store(H + a * ld + c, load(H + a * ld + c) + here * load(v + c));
  }
}

// The inverse of the symmetric H, of which the lower half is given, by Gauss-Jordan elimination without pivots (H is
// positive); false where a pivot is not positive. All of it is written.
template <class T>
PYSOLVE_INLINE bool invert(T* H, index_t k, index_t ld) {
  for (index_t a = 0; a < k; ++a)
    for (index_t c = 0; c < ld; ++c) H[a * ld + c] = c > a ? (c < k ? H[c * ld + a] : T()) : H[a * ld + c];
  for (index_t p = 0; p < k; ++p) {
    T* const pivot_row = H + p * ld;
    if (!(pivot_row[p] > 0)) return false;
    const T pivot = 1 / pivot_row[p];
    pivot_row[p] = 1;
    for (index_t c = 0; c < ld; c += 8) store(pivot_row + c, pivot * load(pivot_row + c));
    for (index_t a = 0; a < k; ++a) {
      if (a == p) continue;
      const T factor = H[a * ld + p];
      H[a * ld + p] = 0;
      for (index_t c = 0; c < ld; c += 8)
        store(H + a * ld + c, load(H + a * ld + c) - factor * load(pivot_row + c));
    }
  }
  return true;
}

template <class T>
PYSOLVE_CLONES completion_sums block_rows(const observed<T>& A, const T* V, index_t k, double damping, T* H,
                                          index_t begin, index_t end) {
  const index_t ld = completion_stride(k);
  completion_sums sums;
  for (index_t i = begin; i < end; ++i) {
    T* const block = H + i * k * ld;
    for (index_t c = 0; c < k * ld; ++c) block[c] = T();
    for (index_t a = 0; a < k; ++a) block[a * ld + a] = T(damping);
    for (index_t e = A.begin[i]; e < A.end[i]; ++e) {
      const index_t j = A.indices[e];
      if (j < 0 || j >= A.n_cols) {
        if (sums.fault < 0) sums.fault = i;
        break;
      }
      add_outer(V + j * ld, A.weights ? A.weights[e] : T(1), k, ld, block);
    }
    bool good = invert(block, k, ld);
    for (index_t c = 0; good && c < k * ld; ++c) good = std::isfinite(block[c]);
    if (good) continue;
    for (index_t c = 0; c < k * ld; ++c) block[c] = T();  // the row stays as it is
  }
  return sums;
}

template <class T>
PYSOLVE_CLONES void apply_rows(const T* H, T* X, index_t k, T factor, index_t begin, index_t end, T* out) {
  const index_t ld = completion_stride(k);
  for (index_t i = begin; i < end; ++i) {
    T* const x = X + i * ld;
    for (index_t c = 0; c < ld; c += 8) {
      lanes<T> s[2] = {};
      index_t a = 0;
      for (; a + 2 <= k; a += 2)
        for (int r = 0; r < 2; ++r) s[r] += x[a + r] * load(H + (i * k + a + r) * ld + c);
      if (a < k) s[0] += x[a] * load(H + (i * k + a) * ld + c);
      store(out + c, factor * (s[0] + s[1]));
    }
    for (index_t c = 0; c < ld; c += 8) store(x + c, load(out + c));
  }
}

}  // namespace

template <class T>
completion_sums matrix_completion_blocks(const observed<T>& A, const T* V, index_t k, double damping, T* H) {
  const row_extents rows = measure_rows(A, A.n_entries);
  if (rows.fault >= 0) return {0, rows.fault};
  const blocks cut(A.n_rows, 4);
  std::vector<completion_sums> parts(std::size_t(cut.count));
  std::vector<char> nothing(std::size_t(threads_for(rows.n_entries * k * completion_stride(k), cut)));
  share_rows(cut, nothing, [&](index_t b, index_t begin, index_t end, char&) {
    parts[std::size_t(b)] = block_rows(A, V, k, damping, H, begin, end);
  });
  return joined(parts);
}

template <class T>
void matrix_completion_apply_blocks(const T* H, T* X, index_t n, index_t k, double factor) {
  const index_t ld = completion_stride(k);
  const blocks cut(n, 64);
  const int threads = threads_for(n * k * ld * index_t(sizeof(T)), cut);
  std::vector<std::vector<T>> outs;
  for (int t = 0; t < threads; ++t) outs.emplace_back(std::size_t(ld));
  share_rows(cut, outs, [&](index_t, index_t begin, index_t end, std::vector<T>& out) {
    apply_rows(H, X, k, T(factor), begin, end, out.data());
  });
}

#define PYSOLVE_INSTANTIATE(T)                                                                          \
  template completion_sums matrix_completion_blocks(const observed<T>&, const T*, index_t, double, T*); \
  template void matrix_completion_apply_blocks(const T*, T*, index_t, index_t, double);
PYSOLVE_INSTANTIATE(float)
PYSOLVE_INSTANTIATE(double)

}  // namespace pysolve::cpu
