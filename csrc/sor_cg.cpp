// Conjugate gradients preconditioned by symmetric over-relaxation.
//
// With K = D/omega + L and M = omega/(2 - omega) K D^-1 K^H, an iteration is two passes over A's triangles:
//   descending   z = K^-H (2 - omega)/omega D y = M^-1 r;  p = z + beta p
//   ascending    x += alpha p;  q = A z + beta q;  r -= alpha q;  y = K^-1 r
// A z needs no product of its own: its upper part, with the diagonal, is summed by the descending pass and left in the
// place of y, and its lower part is summed from the entries of L that K^-1 r reads. The scalars are
//   rho = r^H z = (2 - omega)/omega y^H D y,   z^H A z = re z^H (2 U z + D z),
//   p^H A p = z^H A z - beta^2 (p^H A p of the direction before), since that one is conjugate to p.
#include <cmath>
#include <cstring>

#include "instantiate.hpp"
#include "sor_pass.hpp"

namespace pysolve::cpu {
namespace {

// All in the numbers of the schedule; (z_i, y_i) lie side by side in zy.
template <class T>
struct cg_vectors {
  T *x, *r, *p, *q, *zy;
  double omega;
};

struct cg_step {
  double alpha = 0, beta = 0;
};

// Sums of a pass: |r|^2 and rho of the ascending one, |p|^2 and z^H A z of the descending one.
struct cg_sums {
  double rr = 0, rz = 0;
  cg_sums& operator+=(const cg_sums& o) {
    rr += o.rr;
    rz += o.rz;
    return *this;
  }
};

// Sums of a_ij z_j and a_ij y_j: real ones in two lanes, with one load of (z_j, y_j) for both.
template <class T>
struct pair_sums {
  T first = T(), second = T();
  PYSOLVE_INLINE void add(T a, const T* zy) {
    first += a * zy[0];
    second += a * zy[1];
  }
  PYSOLVE_INLINE T z() const { return first; }
  PYSOLVE_INLINE T y() const { return second; }
};
template <>
struct pair_sums<double> {
  typedef double both __attribute__((vector_size(16)));
  both sum = {0, 0};
  PYSOLVE_INLINE void add(double a, const double* zy) {
    both pair;
    std::memcpy(&pair, zy, sizeof pair);
    sum += a * pair;
  }
  PYSOLVE_INLINE double z() const { return sum[0]; }
  PYSOLVE_INLINE double y() const { return sum[1]; }
};

// Where `steps` is set: the step along p; always y = K^-1 r.
template <bool steps, class T>
PYSOLVE_CLONES cg_sums chunk_ascend(const sor_split<T>& A, const cg_vectors<T>& v, cg_step step, index_t c) {
  using real = real_t<T>;
  entries<true, T> past(A.lower, c);
  const real alpha = real(step.alpha), beta = real(step.beta), omega = real(v.omega);
  const real* diagonal = A.diagonal.get();
  T *x = v.x, *r = v.r, *p = v.p, *q = v.q, *zy = v.zy;
  cg_sums sums;
  for (index_t i = A.chunk[c]; i < A.chunk[c + 1]; ++i) {
    const real d = diagonal[i], factor = omega / d;
    pair_sums<T> L;  // L z and L y
    past.row(i, [&](T a, index_t j) PYSOLVE_LAMBDA { L.add(a, zy + 2 * j); });
    T residual = r[i];
    if constexpr (steps) {
      const T product = L.z() + zy[2 * i + 1] + beta * q[i];
      q[i] = product;
      x[i] += alpha * p[i];
      residual -= alpha * product;
      r[i] = residual;
    }
    const T y = (residual - L.y()) * factor;
    zy[2 * i + 1] = y;
    sums.rr += squared(residual);
    sums.rz += std::real(inner(y, y * d));  // d y may be a number where y^2 is none
  }
  sums.rz *= (2 - v.omega) / v.omega;
  return sums;
}

// z = K^-H (2 - omega)/omega D y, p = z + beta p, and (D + U) z in the place of y; returns p^H p over the chunk in rr
// and z^H A z in rz.
template <class T>
PYSOLVE_CLONES cg_sums chunk_descend(const sor_split<T>& A, const cg_vectors<T>& v, double beta_, index_t c) {
  using real = real_t<T>;
  entries<false, T> past(A.upper, c);
  const real omega = real(v.omega), left = real(2 - v.omega), beta = real(beta_);
  const real* diagonal = A.diagonal.get();
  T *zy = v.zy, *p = v.p;
  cg_sums sums;
  for (index_t i = A.chunk[c + 1]; i-- > A.chunk[c];) {
    const real d = diagonal[i];
    T Uz = T();
    past.row(i, [&](T a, index_t j) PYSOLVE_LAMBDA { Uz += a * zy[2 * j]; });
    const T z = left * zy[2 * i + 1] - Uz * (omega / d), dz = d * z;
    const T direction = z + beta * p[i];
    zy[2 * i] = z;
    zy[2 * i + 1] = Uz + dz;
    p[i] = direction;
    sums.rr += squared(direction);
    sums.rz += std::real(inner(z, real(2) * Uz + dz));
  }
  return sums;
}

template <class T>
struct ssor_cg {
  const sor_split<T>& A;
  cg_vectors<T> v;
  team_of_passes<T, cg_sums> team;

  // y of r as it stands; rho of a new start.
  double begin(team_turns& turns, int thread, int threads) {
    return team
        .template pass<true>(turns, thread, threads,
                             [&](index_t c) { return chunk_ascend<false>(A, v, cg_step(), c); })
        .rz;
  }
  // One iteration; false where it cannot be taken. s.curvature is p^H A p of the last direction.
  bool iterate(run_state& s, double& norm, team_turns& turns, int thread, int threads) {
    const cg_sums down = team.template pass<false>(turns, thread, threads,
                                                   [&](index_t c) { return chunk_descend(A, v, s.beta, c); });
    const double pAp = down.rz - s.beta * s.beta * s.curvature;
    const cg_step step{s.rho / pAp, s.beta};
    if (!std::isfinite(pAp) || !std::isfinite(s.rho))
      s.end = run_end::not_finite;
    else if (!(pAp > 0) || !(s.rho > 0) || (std::isfinite(down.rr) && pAp <= s.floor * down.rr))
      s.end = run_end::not_positive;
    else if (!std::isfinite(real_t<T>(step.alpha)) || !std::isfinite(real_t<T>(step.beta)))
      s.end = run_end::not_finite;
    if (s.end != run_end::steps) {
      s.curvature = pAp / down.rr;
      return false;
    }
    const cg_sums sums = team.template pass<true>(
        turns, thread, threads, [&](index_t c) { return chunk_ascend<true>(A, v, step, c); });
    norm = std::sqrt(sums.rr);
    s.beta = sums.rz / s.rho;
    s.rho = sums.rz;
    s.curvature = pAp;
    return true;
  }
  run_state run(int thread, int threads, T* x, T* r, double* norms, run_state s) {
    const index_t most = s.n_steps;
    team_turns turns;
    s.n_steps = 0;
    s.end = run_end::steps;
    to_schedule(A, x, v.x, thread, threads);
    to_schedule(A, r, v.r, thread, threads);
    const bool fresh = !(s.rho > 0);
    if (fresh) clear(thread, threads);
    team.meet.wait(threads);
    if (fresh) {
      s.beta = s.curvature = 0;
      s.rho = begin(turns, thread, threads);
    }
    double norm = 0;
    while (s.n_steps < most && s.end == run_end::steps && iterate(s, norm, turns, thread, threads)) {
      if (thread == 0) norms[s.n_steps] = norm;
      ++s.n_steps;
      if (!std::isfinite(norm))
        s.end = run_end::not_finite;
      else if (norm <= s.tolerance)
        s.end = run_end::tolerance;
    }
    if (s.end == run_end::not_positive) from_schedule(A, v.p, v.zy, thread, threads);
    if (s.n_steps == 0) return s;
    from_schedule(A, v.x, x, thread, threads);
    from_schedule(A, v.r, r, thread, threads);
    return s;
  }
  // p and q are multiplied by beta = 0 at first, and must not hold NaN.
  void clear(int thread, int threads) {
    const index_t begin = first_block(A.n, thread, threads), end = first_block(A.n, thread + 1, threads);
    std::fill(v.p + begin, v.p + end, T());
    std::fill(v.q + begin, v.q + end, T());
  }
};

}  // namespace

template <class T>
void ssor_cg_run_csr(const sor_split<T>& A, double omega, T* x, T* r, T* work, double* norms,
                     run_state& state) {
  const index_t n = A.n;
  typename sor_split<T>::scratch memory(A, 2 * n);
  const int threads = pass_threads(A, A.sweep_bytes());
  ssor_cg<T> all{A, {memory.get(), memory.get() + n, work + 2 * n, work + 3 * n, work, omega}, {A, threads}};
  parallel_run(threads, state, [&](int thread, int team, const run_state& given) {
    return all.run(thread, team, x, r, norms, given);
  });
}

#define PYSOLVE_INSTANTIATE(T) \
  template void ssor_cg_run_csr(const sor_split<T>&, double, T*, T*, T*, double*, run_state&);
PYSOLVE_FOR_VALUE(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
