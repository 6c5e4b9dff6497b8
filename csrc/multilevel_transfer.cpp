// multilevel_restrict and multilevel_prolong: P and P^T along one axis.
#include "multilevel.hpp"
#include "multilevel_slabs.hpp"
#include "parallel.hpp"
#include "simd.hpp"

namespace pysolve::cpu {
namespace {

// out = sum over the four cells that pair I is made of: (1 - alpha) fine of its own, alpha fine of its neighbours'.
PYSOLVE_CLONES void runs_restrict(const slabs& s, const float* alpha, const float* fine, float* coarse,
                                  index_t begin, index_t end) {
  for (index_t at = begin; at < end; ++at) {
    const index_t slab = at / s.n_pairs, I = at - slab * s.n_pairs, base = slab * s.n;
    const index_t own[2] = {2 * I, s.high(I)}, other[2] = {s.high(s.before(I)), s.low(s.after(I))};
    float* out = coarse + at * s.inner;
    const auto run = [&](index_t cell) PYSOLVE_LAMBDA { return (base + cell) * s.inner; };
    const float *f = fine + run(own[0]), *a = alpha + run(own[0]);
    for (index_t k = 0; k < s.inner; ++k) out[k] = (1 - a[k]) * f[k];
    if (own[1] >= 0) {
      f = fine + run(own[1]), a = alpha + run(own[1]);
      for (index_t k = 0; k < s.inner; ++k) out[k] += (1 - a[k]) * f[k];
    }
    for (const index_t cell : other)
      if (cell >= 0) {
        f = fine + run(cell), a = alpha + run(cell);
        for (index_t k = 0; k < s.inner; ++k) out[k] += a[k] * f[k];
      }
  }
}

PYSOLVE_CLONES void runs_prolong(const slabs& s, const float* alpha, const float* coarse, float scale,
                                 bool add, float* fine, index_t begin, index_t end) {
  for (index_t at = begin; at < end; ++at) {
    const index_t slab = at / s.n, i = at - slab * s.n, I = i / 2, J = i % 2 ? s.after(I) : s.before(I);
    const float *a = alpha + at * s.inner, *c = coarse + (slab * s.n_pairs + I) * s.inner;
    const float* other = J >= 0 ? coarse + (slab * s.n_pairs + J) * s.inner : nullptr;
    float* out = fine + at * s.inner;
    if (other && add)
      for (index_t k = 0; k < s.inner; ++k) out[k] += scale * (c[k] + a[k] * (other[k] - c[k]));
    else if (other)
      for (index_t k = 0; k < s.inner; ++k) out[k] = scale * (c[k] + a[k] * (other[k] - c[k]));
    else if (add)
      for (index_t k = 0; k < s.inner; ++k) out[k] += scale * (c[k] - a[k] * c[k]);
    else
      for (index_t k = 0; k < s.inner; ++k) out[k] = scale * (c[k] - a[k] * c[k]);
  }
}

PYSOLVE_INLINE lanes<float> even(lanes<float> a, lanes<float> b) {
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
}
PYSOLVE_INLINE lanes<float> odd(lanes<float> a, lanes<float> b) {
  return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
}

// The same along the rows themselves. Eight pairs at a time in the middle of a row, where they all have neighbours.
PYSOLVE_CLONES void rows_restrict(const slabs& s, const float* alpha, const float* fine, float* coarse,
                                  index_t begin, index_t end) {
  for (index_t row = begin; row < end; ++row) {
    const float *a = alpha + row * s.n, *f = fine + row * s.n;
    float* out = coarse + row * s.n_pairs;
    const auto one = [&](index_t I) PYSOLVE_LAMBDA {
      const index_t hi = s.high(I), left = s.high(s.before(I)), right = s.low(s.after(I));
      float v = (1 - a[2 * I]) * f[2 * I];
      if (hi >= 0) v += (1 - a[hi]) * f[hi];
      if (left >= 0) v += a[left] * f[left];
      if (right >= 0) v += a[right] * f[right];
      out[I] = v;
    };
    index_t I = 0;
    if (s.n_pairs > 0) one(I++);
    for (; 2 * (I + n_lanes) + 1 < s.n; I += n_lanes) {
      const float *fi = f + 2 * I, *ai = a + 2 * I;
      const lanes<float> f0 = load(fi), f1 = load(fi + 8), t0 = load(ai) * f0, t1 = load(ai + 8) * f1;
      const lanes<float> left0 = load(ai - 1) * load(fi - 1), left1 = load(ai + 7) * load(fi + 7);
      const lanes<float> right0 = load(ai + 2) * load(fi + 2), right1 = load(ai + 9) * load(fi + 9);
      const lanes<float> own0 = f0 - t0, own1 = f1 - t1;
      const lanes<float> right = __builtin_shufflevector(right0, right1, 0, 2, 4, 6, 9, 11, 13, 15);
      store(out + I, even(own0, own1) + odd(own0, own1) + even(left0, left1) + right);
    }
    for (; I < s.n_pairs; ++I) one(I);
  }
}

PYSOLVE_CLONES void rows_prolong(const slabs& s, const float* alpha, const float* coarse, float scale,
                                 bool add, float* fine, index_t begin, index_t end) {
  for (index_t row = begin; row < end; ++row) {
    const float *a = alpha + row * s.n, *c = coarse + row * s.n_pairs;
    float* out = fine + row * s.n;
    const auto one = [&](index_t i) PYSOLVE_LAMBDA {
      const index_t I = i / 2, J = i % 2 ? s.after(I) : s.before(I);
      const float v = scale * (c[I] + a[i] * ((J >= 0 ? c[J] : 0.0f) - c[I]));
      out[i] = add ? out[i] + v : v;
    };
    index_t i = 0;
    for (; i < s.n && i < 2; ++i) one(i);
    for (; i / 2 + n_lanes + 1 <= s.n_pairs && i + 2 * n_lanes <= s.n; i += 2 * n_lanes) {
      const lanes<float> own = load(c + i / 2), left = load(c + i / 2 - 1), right = load(c + i / 2 + 1);
      const auto eight = [&](index_t at, lanes<float> mine, lanes<float> other) PYSOLVE_LAMBDA {
        const lanes<float> v = scale * (mine + load(a + at) * (other - mine));
        store(out + at, add ? load(out + at) + v : v);
      };
      eight(i, __builtin_shufflevector(own, own, 0, 0, 1, 1, 2, 2, 3, 3),
            __builtin_shufflevector(left, right, 0, 8, 1, 9, 2, 10, 3, 11));
      eight(i + n_lanes, __builtin_shufflevector(own, own, 4, 4, 5, 5, 6, 6, 7, 7),
            __builtin_shufflevector(left, right, 4, 12, 5, 13, 6, 14, 7, 15));
    }
    for (; i < s.n; ++i) one(i);
  }
}

}  // namespace

void prolong_runs(const pairing& p, const float* alpha, const float* coarse, float scale, bool add,
                  float* fine, index_t begin, index_t end) {
  runs_prolong(slabs(p), alpha, coarse, scale, add, fine, begin, end);
}

void multilevel_restrict(const pairing& p, const float* alpha, const float* fine, float* coarse) {
  const slabs s(p);
  const int threads = n_threads(s.outer * s.n * s.inner * 10);
  if (s.inner == 1)
    parallel_ranges(s.outer, threads,
                    [&](index_t b, index_t e) { rows_restrict(s, alpha, fine, coarse, b, e); });
  else
    parallel_ranges(s.outer * s.n_pairs, threads,
                    [&](index_t b, index_t e) { runs_restrict(s, alpha, fine, coarse, b, e); });
}

void multilevel_prolong(const pairing& p, const float* alpha, const float* coarse, float scale, bool add,
                        float* fine) {
  const slabs s(p);
  const int threads = n_threads(s.outer * s.n * s.inner * 14);
  if (s.inner == 1)
    parallel_ranges(s.outer, threads,
                    [&](index_t b, index_t e) { rows_prolong(s, alpha, coarse, scale, add, fine, b, e); });
  else
    parallel_ranges(s.outer * s.n, threads,
                    [&](index_t b, index_t e) { runs_prolong(s, alpha, coarse, scale, add, fine, b, e); });
}

}  // namespace pysolve::cpu
