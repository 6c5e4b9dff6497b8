// Products of a factor with k x k matrices: what orthonormalising it needs. No BLAS, so that its threads are not there
// beside ours and the sums have the same bits with any number of threads.
#include <cmath>
#include <vector>

#include "matrix_completion_share.hpp"
#include "simd.hpp"

namespace pysolve::cpu {
namespace {

constexpr index_t rows_at_once = 4;

// G += V^T V over rows [begin, end), from the diagonal's eight on to the right; G has stride ld.
template <class T>
PYSOLVE_CLONES void gram_rows(const T* V, index_t ld, index_t k, index_t begin, index_t end, double* G) {
  const T* rows[rows_at_once];
  alignas(64) T zeros[completion_max_rank] = {};
  for (index_t i = begin; i < end; i += rows_at_once) {
    for (index_t r = 0; r < rows_at_once; ++r) rows[r] = i + r < end ? V + (i + r) * ld : zeros;
    for (index_t a = 0; a < k; ++a) {
      const double v0 = double(rows[0][a]), v1 = double(rows[1][a]), v2 = double(rows[2][a]),
                   v3 = double(rows[3][a]);
      double* const g = G + a * ld;
      for (index_t c = a / 8 * 8; c < ld; c += 8)
        store(g + c, load(g + c) + (v0 * widen<T>(load(rows[0] + c)) + v1 * widen<T>(load(rows[1] + c))) +
                         (v2 * widen<T>(load(rows[2] + c)) + v3 * widen<T>(load(rows[3] + c))));
    }
  }
}

// out = v R for four rows of V, R with stride ld
template <class T>
PYSOLVE_INLINE void four_times(const T* const* rows, const T* R, index_t k, index_t ld, T* out) {
  for (index_t c = 0; c < ld; c += 8) {
    lanes<T> s[rows_at_once] = {};
    for (index_t a = 0; a < k; ++a) {
      const lanes<T> here = load(R + a * ld + c);
      for (index_t r = 0; r < rows_at_once; ++r) s[r] += rows[r][a] * here;
    }
    for (index_t r = 0; r < rows_at_once; ++r) store(out + r * ld + c, s[r]);
  }
}

template <class T>
PYSOLVE_CLONES index_t transform_rows(T* V, index_t ld, index_t k, const T* R, double limit, index_t begin,
                                      index_t end, T* out) {
  index_t clipped = 0;
  for (index_t i = begin; i < end; i += rows_at_once) {
    const T* rows[rows_at_once];
    for (index_t r = 0; r < rows_at_once; ++r) rows[r] = V + std::min(i + r, end - 1) * ld;
    four_times(rows, R, k, ld, out);
    for (index_t r = 0; r < std::min(rows_at_once, end - i); ++r) {
      lanes<double> squares = {};
      for (index_t c = 0; c < ld; c += 8) {
        const lanes<double> v = widen<T>(load(out + r * ld + c));
        squares += v * v;
      }
      const double length = std::sqrt(total(squares));
      const bool clip = limit > 0 && length > limit;
      const T factor = clip ? T(limit / length) : T(1);
      clipped += clip;
      for (index_t c = 0; c < ld; c += 8) store(V + (i + r) * ld + c, factor * load(out + r * ld + c));
    }
  }
  return clipped;
}

}  // namespace

template <class T>
void matrix_completion_gram(const T* V, index_t n, index_t k, double* G) {
  const index_t ld = completion_stride(k), size = k * ld;
  // Each block keeps a k x k sum: fewer of them where k is large.
  const blocks cut(n, std::max<index_t>(64, (n + 15) / 16), rows_at_once);
  std::vector<double> parts(std::size_t(cut.count * size));
  parallel_ranges(cut.count, threads_for(n * ld * k * 2, cut), [&](index_t first, index_t last) {
    for (index_t b = first; b < last; ++b)
      gram_rows(V, ld, k, cut.begin(b), cut.end(b), parts.data() + b * size);
  });
  for (index_t a = 0; a < k; ++a)
    for (index_t c = a; c < k; ++c) {
      double s = 0;
      for (index_t b = 0; b < cut.count; ++b) s += parts[std::size_t(b * size + a * ld + c)];
      G[a * k + c] = G[c * k + a] = s;
    }
}

template <class T>
index_t matrix_completion_transform(T* V, index_t n, index_t k, const double* R, double limit) {
  const index_t ld = completion_stride(k);
  std::vector<T> padded(std::size_t(k * ld));
  for (index_t a = 0; a < k; ++a)
    for (index_t c = 0; c < k; ++c) padded[std::size_t(a * ld + c)] = T(R[a * k + c]);
  const blocks cut(n, 64, rows_at_once);
  const int threads = threads_for(n * ld * k * 2, cut);
  std::vector<index_t> clipped(std::size_t(cut.count));
  std::vector<std::vector<T>> outs(std::size_t(threads), std::vector<T>(std::size_t(rows_at_once * ld)));
  share_rows(cut, outs, [&](index_t b, index_t begin, index_t end, std::vector<T>& out) {
    clipped[std::size_t(b)] = transform_rows(V, ld, k, padded.data(), limit, begin, end, out.data());
  });
  return sum(clipped.data(), cut.count);
}

#define PYSOLVE_INSTANTIATE(T)                                               \
  template void matrix_completion_gram(const T*, index_t, index_t, double*); \
  template index_t matrix_completion_transform(T*, index_t, index_t, const double*, double);
PYSOLVE_INSTANTIATE(float)
PYSOLVE_INSTANTIATE(double)

}  // namespace pysolve::cpu
