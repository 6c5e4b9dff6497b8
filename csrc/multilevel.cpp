#include "multilevel.hpp"

#include <atomic>

#include "instantiate.hpp"
#include "multilevel_slabs.hpp"
#include "multilevel_stages.hpp"
#include "stencil_row.hpp"

namespace pysolve::cpu {
namespace {

// What a sweep writes of x, u and D A x in a cell (or in eight).
template <class Faces, class Visit8, class Visit1>
PYSOLVE_INLINE void rows(const grid<float>& A, const float* x, index_t begin, index_t end, Visit8&& visit8,
                         Visit1&& visit1) {
  const index_t n1 = A.n[1], n2 = A.n[2];
  for (index_t row = begin; row < end; ++row) {
    const index_t i = row / n1, j = row - i * n1, first = row * n2;
    along_row<float>(
        row_at(A, x, i, j), Faces(A, i, j), n2,
        [&](index_t k, lanes<float> v) PYSOLVE_LAMBDA { visit8(first + k, v); },
        [&](index_t k, float v) PYSOLVE_LAMBDA { visit1(first + k, v); });
  }
}

template <class T>
PYSOLVE_INLINE void put(T* y, lanes<float> v, double factor) {
  if constexpr (std::is_same_v<T, float>)
    store(y, v * float(factor));
  else
    store(y, widen<float>(v) * factor);
}

template <class T>
PYSOLVE_INLINE lanes<float> take(const T* b, double factor) {
  if constexpr (std::is_same_v<T, float>)
    return load(b) * float(factor);  // the caller keeps the factor within the numbers of T
  else
    return __builtin_convertvector(load(b) * factor, lanes<float>);
}

template <class Faces>
PYSOLVE_CLONES void rows_start(const grid<float>& A, const float* u, const float* inverse, float a, float c,
                               float* x, index_t begin, index_t end) {
  rows<Faces>(
      A, u, begin, end,
      [=](index_t k, lanes<float> v)
          PYSOLVE_LAMBDA { store(x + k, a * load(u + k) - c * load(inverse + k) * v); },
      [=](index_t k, float v) PYSOLVE_LAMBDA { x[k] = a * u[k] - c * inverse[k] * v; });
}

template <class Faces, class T>
PYSOLVE_CLONES void rows_smooth(const grid<float>& A, const float* u, const float* inverse, float tau,
                                const float* x, double factor, T* y, index_t begin, index_t end) {
  rows<Faces>(
      A, x, begin, end,
      [=](index_t k, lanes<float> v) PYSOLVE_LAMBDA {
        const lanes<float> D = load(inverse + k), z = load(x + k) + tau * (load(u + k) - D * v);
        put(y + k, D > 0 ? z : lanes<float>{}, factor);
      },
      [=](index_t k, float v) PYSOLVE_LAMBDA {
        y[k] = inverse[k] > 0 ? T(factor * T(x[k] + tau * (u[k] - inverse[k] * v))) : T(0);
      });
}

template <class Faces, class T>
PYSOLVE_CLONES void rows_residual(const grid<float>& A, const T* b, double factor, const float* inverse,
                                  const float* x, float* r, index_t begin, index_t end) {
  rows<Faces>(
      A, x, begin, end,
      [=](index_t k, lanes<float> v)
          PYSOLVE_LAMBDA { store(r + k, load(inverse + k) > 0 ? take(b + k, factor) - v : lanes<float>{}); },
      [=](index_t k, float v)
          PYSOLVE_LAMBDA { r[k] = inverse[k] > 0 ? float(double(b[k]) * factor) - v : 0.0f; });
}

template <class T>
PYSOLVE_CLONES descent cells_scale(const T* b, const float* inverse, double factor, float* u, index_t begin,
                                   index_t end) {
  lanes<float> largest8 = {}, solid8 = {};
  float largest = 0, solid = 0;
  index_t k = begin;
  for (; k + n_lanes <= end; k += n_lanes) {
    const lanes<float> D = load(inverse + k), right = take(b + k, factor), v = right * D,
                       size = v < 0 ? -v : v;
    store(u + k, v);
    largest8 = size > largest8 ? size : largest8;
    const lanes<float> there = right < 0 ? -right : right;
    solid8 = D > 0 ? solid8 : there > solid8 ? there : solid8;
  }
  for (; k < end; ++k) {
    const float right = float(double(b[k]) * factor);
    u[k] = right * inverse[k];
    largest = std::max(largest, std::abs(u[k]));
    if (!(inverse[k] > 0)) solid = std::max(solid, std::abs(right));
  }
  for (int lane = 0; lane < n_lanes; ++lane) {
    largest = std::max(largest, largest8[lane]);
    solid = std::max(solid, solid8[lane]);
  }
  return {largest, solid};
}

// The largest values that one of the walks has seen; walks of different threads may report at once.
class largest_seen {
  std::atomic<float> u_{0}, solid_{0};
  static void raise(std::atomic<float>& to, float value) {
    float now = to.load(std::memory_order_relaxed);
    while (!(value <= now) && !to.compare_exchange_weak(now, value, std::memory_order_relaxed)) {
    }
  }

 public:
  void add(const descent& d) {
    raise(u_, float(d.largest));
    raise(solid_, float(d.solid));
  }
  descent get() const { return {u_.load(), solid_.load()}; }
};

}  // namespace

template <class T>
descent multilevel_descend(const grid<float>& A, const T* b, double factor, const float* inverse,
                           const float* tau, int n_steps, float* u, float* x, float* y) {
  const index_t rows = A.n[1], cells = A.n[1] * A.n[2], n_smooth = n_steps - 2;
  const stages plan(A.n, A.low[0] == side::periodic, n_smooth + 3, A.size() * 40);
  float* const to[2] = {n_steps % 2 ? y : x, n_steps % 2 ? x : y};  // the last step ends in x
  largest_seen seen;
  with_faces(A, [&]<class Faces>() {
    plan.run([&](index_t stage, index_t begin, index_t end) {
      const index_t k = stage - 2;
      if (stage == 0)
        seen.add(cells_scale(b, inverse, factor, u, begin * cells, end * cells));
      else if (stage == 1)
        rows_start<Faces>(A, u, inverse, tau[0] + tau[1], tau[0] * tau[1], to[0], begin * rows, end * rows);
      else if (k < n_smooth)
        rows_smooth<Faces>(A, u, inverse, tau[k + 2], to[k % 2], 1.0, to[1 - k % 2], begin * rows,
                           end * rows);
      else
        rows_residual<Faces>(A, b, factor, inverse, x, y, begin * rows, end * rows);
    });
  });
  return seen.get();
}

template <class T>
void multilevel_ascend(const grid<float>& A, const float* alpha, const float* coarse, float scale,
                       const float* u, const float* inverse, const float* tau, int n_steps, float* x,
                       float* y, double factor, T* z) {
  const index_t rows = A.n[1], prolongs = alpha != nullptr;
  const pairing pairs{{A.n[0], A.n[1], A.n[2]}, 0, A.low[0] == side::periodic};
  const stages plan(A.n, pairs.periodic, n_steps + prolongs, A.size() * 40);
  float* const to[2] = {x, y};
  with_faces(A, [&]<class Faces>() {
    plan.run([&](index_t stage, index_t begin, index_t end) {
      const index_t k = stage - prolongs;
      if (k < 0)
        prolong_runs(pairs, alpha, coarse, scale, true, x, begin, end);
      else if (k + 1 < n_steps)
        rows_smooth<Faces>(A, u, inverse, tau[n_steps - 1 - k], to[k % 2], 1.0, to[1 - k % 2], begin * rows,
                           end * rows);
      else
        rows_smooth<Faces>(A, u, inverse, tau[0], to[k % 2], factor, z, begin * rows, end * rows);
    });
  });
}

#define PYSOLVE_INSTANTIATE(T)                                                                               \
  template descent multilevel_descend(const grid<float>&, const T*, double, const float*, const float*, int, \
                                      float*, float*, float*);                                               \
  template void multilevel_ascend(const grid<float>&, const float*, const float*, float, const float*,       \
                                  const float*, const float*, int, float*, float*, double, T*);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
