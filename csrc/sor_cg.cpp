// Conjugate gradients preconditioned by symmetric over-relaxation, and the preconditioner alone.
//
// With K = D/omega + L and M = omega/(2 - omega) K D^-1 K^H, an iteration is two passes over A's triangles:
//   ascending    p = z + beta p;  x += alpha p;  q = A z + beta q;  r -= alpha q;  y = K^-1 r
//   descending   z = K^-H (2 - omega)/omega D y = M^-1 r
// A z needs no product of its own: its upper part, with the diagonal, is what the descending pass solved for,
//   (D + U) z = D/omega ((2 - omega) y + (omega - 1) z),
// and its lower part is summed from the entries of L that K^-1 r reads. The scalars are
//   rho = r^H z = (2 - omega)/omega y^H D y,   z^H A z = (2 - omega)/omega sum d (2 re(conj(z) y) - |z|^2),
//   p^H A p = z^H A z - beta^2 (p^H A p of the direction before), since that one is conjugate to p.
#include <cmath>

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

// Sums of a pass: |r|^2 and rho of the ascending one, z^H A z of the descending one.
struct cg_sums {
  double rr = 0, rz = 0;
  cg_sums& operator+=(const cg_sums& o) {
    rr += o.rr;
    rz += o.rz;
    return *this;
  }
};

// Where `steps` is set: the step along p; always y = K^-1 r.
template <bool steps, class T>
PYSOLVE_CLONES cg_sums chunk_ascend(const sor_split<T>& A, const cg_vectors<T>& v, cg_step step, index_t c) {
  using real = real_t<T>;
  entries<true, T> past(A.lower, c);
  const real alpha = real(step.alpha), beta = real(step.beta), omega = real(v.omega);
  T *x = v.x, *r = v.r, *p = v.p, *q = v.q, *zy = v.zy;
  cg_sums sums;
  for (index_t i = A.chunk[c]; i < A.chunk[c + 1]; ++i) {
    T Lz = T(), Ly = T();
    past.row(i, [&](T a, index_t j) PYSOLVE_LAMBDA {
      if constexpr (steps) Lz += a * zy[2 * j];
      Ly += a * zy[2 * j + 1];
    });
    const real d = A.diagonal[i], scale = d / omega;
    T residual = r[i];
    if constexpr (steps) {
      const T z = zy[2 * i];
      const T direction = z + beta * p[i];
      const T product = Lz + scale * ((2 - omega) * zy[2 * i + 1] + (omega - 1) * z) + beta * q[i];
      p[i] = direction;
      q[i] = product;
      x[i] += alpha * direction;
      residual -= alpha * product;
      r[i] = residual;
    }
    const T y = (residual - Ly) * (omega / d);
    zy[2 * i + 1] = y;
    sums.rr += squared(residual);
    sums.rz += squared(y) * double(d);
  }
  sums.rz *= (2 - v.omega) / v.omega;
  return sums;
}

// z = K^-H (2 - omega)/omega D y; returns z^H A z over the chunk in rz.
template <class T>
PYSOLVE_CLONES cg_sums chunk_descend(const sor_split<T>& A, const cg_vectors<T>& v, index_t c) {
  using real = real_t<T>;
  entries<false, T> past(A.upper, c);
  const real omega = real(v.omega);
  T* zy = v.zy;
  double zAz = 0;
  for (index_t i = A.chunk[c + 1]; i-- > A.chunk[c];) {
    T Uz = T();
    past.row(i, [&](T a, index_t j) PYSOLVE_LAMBDA { Uz += a * zy[2 * j]; });
    const real d = A.diagonal[i];
    const T y = zy[2 * i + 1], z = (2 - omega) * y - Uz * (omega / d);
    zy[2 * i] = z;
    zAz += double(d) * (2 * std::real(inner(z, y)) - squared(z));
  }
  return {0, zAz * (2 - v.omega) / v.omega};
}

template <class T>
struct ssor_cg {
  const sor_split<T>& A;
  cg_vectors<T> v;
  team_of_passes<T, cg_sums> team;

  // y of r as it stands; rho of a new start.
  double begin(index_t& round, int thread, int threads) {
    return team
        .template pass<true>(round++, thread, threads,
                             [&](index_t c) { return chunk_ascend<false>(A, v, cg_step(), c); })
        .rz;
  }
  // One iteration; false where it cannot be taken. s.curvature is p^H A p of the last direction.
  bool iterate(run_state& s, double& norm, index_t& round, int thread, int threads) {
    const double zAz =
        team.template pass<false>(round++, thread, threads, [&](index_t c) { return chunk_descend(A, v, c); })
            .rz;
    const double pAp = zAz - s.beta * s.beta * s.curvature;
    const cg_step step{s.rho / pAp, s.beta};
    if (!std::isfinite(pAp) || !std::isfinite(s.rho))
      s.end = run_end::not_finite;
    else if (!(pAp > 0) || !(s.rho > 0))
      s.end = run_end::not_positive;
    else if (!std::isfinite(real_t<T>(step.alpha)) || !std::isfinite(real_t<T>(step.beta)))
      s.end = run_end::not_finite;
    if (s.end != run_end::steps) return false;
    const cg_sums sums = team.template pass<true>(
        round++, thread, threads, [&](index_t c) { return chunk_ascend<true>(A, v, step, c); });
    norm = std::sqrt(sums.rr);
    s.beta = sums.rz / s.rho;
    s.rho = sums.rz;
    s.curvature = pAp;
    return true;
  }
  run_state run(int thread, int threads, T* x, T* r, double* norms, run_state s) {
    const index_t most = s.n_steps;
    index_t round = 0;
    s.n_steps = 0;
    s.end = run_end::steps;
    to_schedule(A, x, v.x, thread, threads);
    to_schedule(A, r, v.r, thread, threads);
    const bool fresh = !(s.rho > 0);
    if (fresh) clear(thread, threads);
    team.meet.wait(threads);
    if (fresh) {
      s.beta = s.curvature = 0;
      s.rho = begin(round, thread, threads);
    }
    double norm = 0;
    while (s.n_steps < most && s.end == run_end::steps && iterate(s, norm, round, thread, threads)) {
      if (thread == 0) norms[s.n_steps] = norm;
      ++s.n_steps;
      if (!std::isfinite(norm))
        s.end = run_end::not_finite;
      else if (norm <= s.tolerance)
        s.end = run_end::tolerance;
    }
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
  const run_state given = state;
  parallel_team(threads, [&](int thread, int team) {
    const run_state end = all.run(thread, team, x, r, norms, given);
    if (thread == 0) state = end;
  });
}

#define PYSOLVE_INSTANTIATE(T) \
  template void ssor_cg_run_csr(const sor_split<T>&, double, T*, T*, T*, double*, run_state&);
PYSOLVE_FOR_VALUE(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
