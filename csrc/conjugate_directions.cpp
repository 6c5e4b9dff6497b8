// The fused vector steps of conjugate direction methods.
#include "conjugate_directions.hpp"

#include <vector>

#include "instantiate.hpp"
#include "parallel.hpp"
#include "simd.hpp"

namespace pysolve::cpu {
namespace {

template <class T>
PYSOLVE_CLONES sum_t<T> range_dot(const T* a, const T* b, index_t begin, index_t end) {
  lane_sum<T> s;
  index_t i = begin;
  if constexpr (is_real<T>)
    for (; i + n_lanes <= end; i += n_lanes) s.add(load(a + i), load(b + i));
  for (; i < end; ++i) s.add(a[i], b[i]);
  return s.total();
}

template <class T>
PYSOLVE_CLONES void range_subtract(T* p, const T* z, const T* other, T c, index_t begin, index_t end) {
  for (index_t i = begin; i < end; ++i) p[i] = z[i] - c * other[i];
}

template <class T>
PYSOLVE_CLONES double range_step(T* x, T* r, const T* p, const T* q, T alpha, index_t begin, index_t end) {
  lane_sum<T> rr;
  index_t i = begin;
  if constexpr (is_real<T>)
    for (; i + n_lanes <= end; i += n_lanes) {
      store(x + i, load(x + i) + alpha * load(p + i));
      const lanes<T> v = load(r + i) - alpha * load(q + i);
      store(r + i, v);
      rr.add(v, v);
    }
  for (; i < end; ++i) {
    x[i] += alpha * p[i];
    r[i] -= alpha * q[i];
    rr.add(r[i], r[i]);
  }
  return std::real(rr.total());
}

// Sum over blocks of [0, n) of f(begin, end), which may write there.
template <class S, class F>
S over_blocks(index_t n, index_t bytes, F&& f) {
  const blocks cut(n, 1024, n_lanes);
  S part[blocks::max_blocks];
  parallel_ranges(cut.count, n_threads(bytes), [&](index_t first, index_t last) {
    for (index_t b = first; b < last; ++b) part[b] = f(cut.begin(b), cut.end(b));
  });
  return sum(part, cut.count);
}

// p = P[slot] = z - sum_i c[i] P[i] on [begin, end); slot itself first, since it is overwritten.
template <class T>
direction_report<T> chunk_combine(const T* z, const T* r, T* P, const sum_t<T>* c, index_t n_keep,
                                  index_t slot, index_t n, index_t begin, index_t end) {
  T* p = P + slot * n;
  if (c[slot] != sum_t<T>())
    range_subtract(p, z, p, T(c[slot]), begin, end);
  else
    std::memcpy(static_cast<void*>(p + begin), z + begin, (end - begin) * sizeof(T));
  for (index_t k = 0; k < n_keep; ++k)
    if (k != slot && c[k] != sum_t<T>()) range_subtract(p, p, P + k * n, T(c[k]), begin, end);
  return {range_dot(p, r, begin, end), std::real(range_dot(p, p, begin, end))};
}

// The same in chunks that stay in the first cache from one subtraction to the next.
template <class T>
direction_report<T> range_combine(const T* z, const T* r, T* P, const sum_t<T>* c, index_t n_keep,
                                  index_t slot, index_t n, index_t begin, index_t end) {
  constexpr index_t chunk = 512;
  direction_report<T> report;
  for (index_t i = begin; i < end; i += chunk)
    report += chunk_combine(z, r, P, c, n_keep, slot, n, i, std::min(i + chunk, end));
  return report;
}

// c[i] = Q[i]^H z / pq[i] where pq[i] > 0, else 0; z is read once, block by block.
template <class T>
void coefficients(const T* z, const T* Q, const double* pq, sum_t<T>* c, index_t n_keep, index_t n,
                  index_t bytes) {
  const blocks cut(n, 1024, n_lanes);
  std::vector<sum_t<T>> part(cut.count * n_keep);
  parallel_ranges(cut.count, n_threads(bytes), [&](index_t first, index_t last) {
    for (index_t b = first; b < last; ++b)
      for (index_t k = 0; k < n_keep; ++k)
        if (pq[k] > 0) part[b * n_keep + k] = range_dot(Q + k * n, z, cut.begin(b), cut.end(b));
  });
  for (index_t k = 0; k < n_keep; ++k) {
    c[k] = sum_t<T>();
    if (!(pq[k] > 0)) continue;
    for (index_t b = 0; b < cut.count; ++b) c[k] += part[b * n_keep + k];
    c[k] /= pq[k];
  }
}

}  // namespace

template <class T>
direction_report<T> conjugate_directions_orthogonalise(const T* z, const T* r, T* P, const T* Q,
                                                       const double* pq, sum_t<T>* c, index_t n_keep,
                                                       index_t slot, index_t n) {
  const index_t bytes = n * index_t(sizeof(T)) * (n_keep + 1);
  coefficients(z, Q, pq, c, n_keep, n, bytes);
  return over_blocks<direction_report<T>>(n, bytes, [&](index_t begin, index_t end) {
    return range_combine(z, r, P, c, n_keep, slot, n, begin, end);
  });
}

template <class T>
double conjugate_directions_step(T* x, T* r, const T* p, const T* q, T alpha, index_t n) {
  return over_blocks<double>(n, 6 * n * index_t(sizeof(T)), [&](index_t begin, index_t end) {
    return range_step(x, r, p, q, alpha, begin, end);
  });
}

template <class T>
double conjugate_directions_dot(const T* r, const T* z, index_t n) {
  return over_blocks<double>(n, 2 * n * index_t(sizeof(T)),
                             [&](index_t begin, index_t end) { return range_dot(r, z, begin, end); });
}
template double conjugate_directions_dot(const float*, const float*, index_t);
template double conjugate_directions_dot(const double*, const double*, index_t);

#define PYSOLVE_INSTANTIATE(T)                                                                \
  template direction_report<T> conjugate_directions_orthogonalise(                            \
      const T*, const T*, T*, const T*, const double*, sum_t<T>*, index_t, index_t, index_t); \
  template double conjugate_directions_step(T*, T*, const T*, const T*, T, index_t);
PYSOLVE_FOR_VALUE(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
