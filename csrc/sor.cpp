#include "sor.hpp"

#include <cmath>

#include "csr_row.hpp"
#include "instantiate.hpp"
#include "sor_pass.hpp"

namespace pysolve::cpu {
namespace {

template <bool ascending, class F>
PYSOLVE_INLINE void over_rows(index_t begin, index_t end, F&& f) {
  if constexpr (ascending)
    for (index_t p = begin; p < end; ++p) f(p);
  else
    for (index_t p = end; p-- > begin;) f(p);
}

// One direction of a sweep; returns |b - A old|^2 over the chunk, where behind[] comes from the sweep that made old.
template <bool ascending, class T>
PYSOLVE_CLONES double chunk_sweep(const sor_split<T>& A, const sweep_vectors<T>& v, index_t c) {
  using S = sum_t<T>;
  entries<ascending, T> past(ascending ? A.lower : A.upper, c), next(ascending ? A.upper : A.lower, c);
  const T *b = v.b, *old = v.old;
  T* fresh = v.fresh;
  S* behind = v.behind;
  const real_t<T>* diagonal = A.diagonal.get();
  const double omega = v.omega;
  double rr = 0;
  over_rows<ascending>(A.chunk[c], A.chunk[c + 1], [&](index_t p) PYSOLVE_LAMBDA {
    const double d = diagonal[p], factor = omega / d;
    S rest = S(b[p]) - d * S(old[p]), sum = S();
    next.row(p, [&](T a, index_t j) PYSOLVE_LAMBDA { rest -= S(a) * S(old[j]); });
    rr += squared(rest - behind[p]);
    past.row(p, [&](T a, index_t j) PYSOLVE_LAMBDA { sum += S(a) * S(fresh[j]); });
    behind[p] = sum;
    fresh[p] = T(S(old[p]) + factor * (rest - sum));
  });
  return rr;
}

// |b - A old|^2 over the chunk, where behind[] is known.
template <bool ascending, class T>
PYSOLVE_CLONES double chunk_norm(const sor_split<T>& A, const sweep_vectors<T>& v, index_t c) {
  using S = sum_t<T>;
  entries<ascending, T> next(ascending ? A.upper : A.lower, c);
  double rr = 0;
  over_rows<ascending>(A.chunk[c], A.chunk[c + 1], [&](index_t p) PYSOLVE_LAMBDA {
    S rest = S(v.b[p]) - double(A.diagonal[p]) * S(v.old[p]);
    next.row(p, [&](T a, index_t j) PYSOLVE_LAMBDA { rest -= S(a) * S(v.old[j]); });
    rr += squared(rest - v.behind[p]);
  });
  return rr;
}

// The forward half of a symmetric sweep: U old is in ahead[], and L is read once for old and for fresh. Returns
// |b - A old|^2 over the chunk.
template <class T>
PYSOLVE_CLONES double chunk_rise(const sor_split<T>& A, const sweep_vectors<T>& v, index_t c) {
  using S = sum_t<T>;
  entries<true, T> past(A.lower, c);
  const T* old = v.old;
  T* fresh = v.fresh;
  double rr = 0;
  over_rows<true>(A.chunk[c], A.chunk[c + 1], [&](index_t p) PYSOLVE_LAMBDA {
    const double d = A.diagonal[p], factor = v.omega / d;
    const S rest = S(v.b[p]) - d * S(old[p]) - v.ahead[p];
    S before = S(), sum = S();
    past.row(p, [&](T a, index_t j) PYSOLVE_LAMBDA {
      before += S(a) * S(old[j]);
      sum += S(a) * S(fresh[j]);
    });
    rr += squared(rest - before);
    v.behind[p] = sum;
    fresh[p] = T(S(old[p]) + factor * (rest - sum));
  });
  return rr;
}

// Its backward half, on fresh in place: L fresh is in behind[], and U fresh is left in ahead[].
template <class T>
PYSOLVE_CLONES double chunk_fall(const sor_split<T>& A, const sweep_vectors<T>& v, index_t c) {
  using S = sum_t<T>;
  entries<false, T> past(A.upper, c);
  T* fresh = v.fresh;
  over_rows<false>(A.chunk[c], A.chunk[c + 1], [&](index_t p) PYSOLVE_LAMBDA {
    const double d = A.diagonal[p], factor = v.omega / d;
    const S rest = S(v.b[p]) - d * S(fresh[p]) - v.behind[p];
    S sum = S();
    past.row(p, [&](T a, index_t j) PYSOLVE_LAMBDA { sum += S(a) * S(fresh[j]); });
    v.ahead[p] = sum;
    fresh[p] = T(S(fresh[p]) + factor * (rest - sum));
  });
  return 0;
}

// ahead = U old over the chunk.
template <class T>
PYSOLVE_CLONES double chunk_product(const sor_split<T>& A, const sweep_vectors<T>& v, index_t c) {
  entries<true, T> next(A.upper, c);
  for (index_t p = A.chunk[c]; p < A.chunk[c + 1]; ++p) {
    sum_t<T> sum = sum_t<T>();
    next.row(p, [&](T a, index_t j) PYSOLVE_LAMBDA { sum += sum_t<T>(a) * sum_t<T>(v.old[j]); });
    v.ahead[p] = sum;
  }
  return 0;
}

// A run of sweeps. x rotates through three vectors: the iterate whose norm is being found, the next one, and the one
// before, to which a norm that is not finite goes back.
template <class T>
struct sweeps {
  using S = sum_t<T>;
  const sor_split<T>& A;
  sor_direction direction;
  sweep_vectors<T> v;
  T *b, *iterate[3];
  team_of_passes<T, double> team;

  sweeps(const sor_split<T>& A_, S* memory, double omega, sor_direction direction_, int threads)
      : A(A_), direction(direction_), v(), team(A_, threads) {
    v.behind = memory;
    v.ahead = memory + A.n;
    v.omega = omega;
    b = reinterpret_cast<T*>(memory + 2 * A.n);
    for (int k = 0; k < 3; ++k) iterate[k] = b + (k + 1) * A.n;
    v.b = b;
  }
  sweep_vectors<T> vectors(index_t s) const {
    sweep_vectors<T> now = v;
    now.old = iterate[s % 3];
    now.fresh = iterate[(s + 1) % 3];
    return now;
  }
  // Sweep s + 1 where it is taken (of a symmetric one the forward half); returns norm(b - A x) after sweep s.
  double step(index_t s, bool taken, team_turns& turns, int thread, int threads) {
    const sweep_vectors<T> now = vectors(s);
    const auto over = [&]<bool ascending>(auto chunk) {
      return std::sqrt(
          team.template pass<ascending>(turns, thread, threads, [&](index_t c) { return chunk(A, now, c); }));
    };
    if (direction == sor_direction::symmetric) return over.template operator()<true>(chunk_rise<T>);
    if (direction == sor_direction::forward)
      return over.template operator()<true>(taken ? chunk_sweep<true, T> : chunk_norm<true, T>);
    return over.template operator()<false>(taken ? chunk_sweep<false, T> : chunk_norm<false, T>);
  }
  void start(const T* b_, const T* x, team_turns& turns, int thread, int threads) {
    to_schedule(A, b_, b, thread, threads);
    to_schedule(A, x, iterate[0], thread, threads);
    team.meet.wait(threads);
    if (direction != sor_direction::symmetric) return;
    const sweep_vectors<T> now = vectors(0);
    team.template pass<true>(turns, thread, threads, [&](index_t c) { return chunk_product(A, now, c); });
  }
  void finish(index_t s, team_turns& turns, int thread, int threads) {
    if (direction != sor_direction::symmetric) return;
    const sweep_vectors<T> now = vectors(s);
    team.template pass<false>(turns, thread, threads, [&](index_t c) { return chunk_fall(A, now, c); });
  }
  // Run by every thread with a state of its own: all see the same norms.
  run_state run(int thread, int threads, const T* b_, T* x, double* norms, run_state s) {
    const index_t most = s.n_steps;
    team_turns turns;
    index_t result = 0;
    s.n_steps = 0;
    s.end = run_end::steps;
    start(b_, x, turns, thread, threads);
    for (index_t k = 0; k <= most; ++k) {
      const double norm = step(k, k < most, turns, thread, threads);
      if (k > 0) {
        if (thread == 0) norms[k - 1] = norm;
        s.n_steps = result = k;
        if (!std::isfinite(norm)) {
          s.end = run_end::not_finite;
          result = k - 1;
        } else if (norm <= s.tolerance) {
          s.end = run_end::tolerance;
        }
        if (s.end != run_end::steps) break;
      }
      if (k < most) finish(k, turns, thread, threads);
    }
    if (result > 0) from_schedule(A, iterate[result % 3], x, thread, threads);
    return s;
  }
};

}  // namespace

template <class T>
void sor_run_csr(const sor_split<T>& A, const T* b, T* x, double omega, sor_direction direction,
                 double* norms, run_state& state) {
  using S = sum_t<T>;
  if (state.n_steps <= 0) {
    state.n_steps = 0;
    state.end = run_end::steps;
    return;
  }
  const index_t ratio = sizeof(S) / sizeof(T);
  typename sor_split<T>::scratch memory(A, (4 + 2 * ratio) * A.n);
  const int threads = pass_threads(A, A.sweep_bytes());
  sweeps<T> all(A, reinterpret_cast<S*>(memory.get()), omega, direction, threads);
  std::fill(all.v.behind, all.v.behind + A.n, S());
  parallel_run(threads, state, [&](int thread, int team, const run_state& given) {
    return all.run(thread, team, b, x, norms, given);
  });
}

#define PYSOLVE_INSTANTIATE(T) \
  template void sor_run_csr(const sor_split<T>&, const T*, T*, double, sor_direction, double*, run_state&);
PYSOLVE_FOR_VALUE(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
