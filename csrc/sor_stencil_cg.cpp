// The preconditioner of sor on stencil operators, and conjugate gradients with it.
#include <cmath>

#include "instantiate.hpp"
#include "sor_stencil.hpp"
#include "sor_stencil_cg_rows.hpp"

namespace pysolve::cpu {
namespace {

template <class T>
index_t bytes_of_pass(const grid<T>& A, index_t vectors) {
  const index_t arrays = A.weights[0] ? 3 : 0;
  return A.size() * index_t(sizeof(T)) * (vectors + arrays + (A.shift != nullptr));
}

template <class Faces, class T>
class ssor_runner {
  const slabs cut_;
  ssor_system<Faces, T> s_;
  barrier meet_;
  std::vector<segment_progress> progress_;
  std::vector<double> sums_[2];  // by slab: eight of r.r and eight of y.D y; eight of p.A p

  struct place {
    int thread, team;
    index_t passed = 0;
  };

 public:
  ssor_runner(const grid<T>& A, double omega, T* x, T* r, T* p, T* y, T* rest)
      : cut_(A, n_threads(bytes_of_pass(A, rest ? 5 : 2))),
        s_{A, Faces(A, T(omega)), T(omega), x, r, p, y, y, has_axis_1(A), cut_.count},
        progress_(cut_.segments) {
    // Of z only the last slab is looked at again, unless from across a periodic side or by another thread.
    if (rest && cut_.pipelined && cut_.threads == 1) s_.z = rest, s_.z_slabs = 2;
    if (!rest) return;
    sums_[0].resize(cut_.count * 2 * n_lanes);
    sums_[1].resize(cut_.count * n_lanes);
  }

  void precondition() {
    parallel_team(cut_.threads, [&](int thread, int team) {
      place at{thread, team};
      ascent_of<ascent::solve>(at, 0);
      descent<true>(at, 0);
    });
  }

  void run(double* norms, run_state& state) {
    parallel_run(cut_.threads, state, [&](int thread, int team, const run_state& given) {
      return run_thread(thread, team, given, norms);
    });
  }

 private:
  // By every thread: all see the same sums and take the same decisions.
  run_state run_thread(int thread, int team, run_state state, double* norms) {
    place at{thread, team};
    const index_t most = state.n_steps;
    state.n_steps = 0;
    state.end = run_end::steps;
    if (!(state.rho > 0)) {
      ascent_of<ascent::start>(at, 0);
      state.rho = rho();
      state.beta = 0;
    }
    while (state.n_steps < most && state.end == run_end::steps) {
      double pAp = 0;
      if (state.rho > 0) {
        descent<false>(at, state.beta);
        for (index_t slab = 0; slab < cut_.count; ++slab) pAp += total(load(&sums_[1][slab * n_lanes]));
      }
      const double alpha = state.rho / pAp;
      if (!std::isfinite(state.rho) || !std::isfinite(pAp))
        state.end = run_end::not_finite;
      else if (!(pAp > 0))
        state.end = run_end::not_positive;
      else if (!std::isfinite(T(alpha)))
        state.end = run_end::not_finite;
      if (state.end != run_end::steps) break;
      ascent_of<ascent::step>(at, alpha);
      const double norm = norm_of_r(), rho_before = state.rho;
      state.rho = rho();
      state.beta = state.rho / rho_before;
      if (thread == 0) norms[state.n_steps] = norm;
      ++state.n_steps;
      if (!std::isfinite(norm) || !std::isfinite(state.rho))
        state.end = run_end::not_finite;
      else if (norm <= state.tolerance)
        state.end = run_end::tolerance;
    }
    return state;
  }

  // r . M^-1 r = (2-omega)/omega y . D y
  double rho() const {
    double sum = 0;
    for (index_t slab = 0; slab < cut_.count; ++slab) sum += total(load(&sums_[0][(2 * slab + 1) * n_lanes]));
    return (2 - double(s_.omega)) / double(s_.omega) * sum;
  }
  double norm_of_r() const {
    double sum = 0;
    for (index_t slab = 0; slab < cut_.count; ++slab) sum += total(load(&sums_[0][2 * slab * n_lanes]));
    return std::sqrt(sum);
  }

  template <ascent what>
  void ascent_of(place& at, double alpha) {
    cut_.pass(at.thread, at.team, 1, false, progress_.data(), at.passed,
              [&](index_t, index_t slab, row_piece piece, bool starts) {
                ssor_ascend<what>(s_, piece, T(alpha), starts, sums_[0].data() + 2 * slab * n_lanes);
              });
    meet_.wait(at.team);
  }
  template <bool solves_only>
  void descent(place& at, double beta) {
    cut_.pass(at.thread, at.team, 1, true, progress_.data(), at.passed,
              [&](index_t, index_t slab, row_piece piece, bool starts) {
                ssor_descend<solves_only>(s_, piece, T(beta), starts, sums_[1].data() + slab * n_lanes);
              });
    meet_.wait(at.team);
  }
};

}  // namespace

template <class T>
void sor_precondition_stencil(const grid<T>& A, double omega, const T* r, T* z) {
  with_sor_faces(A, [&]<class Faces>() {
    T* const none = nullptr;
    ssor_runner<Faces, T>(A, omega, none, const_cast<T*>(r), none, z, none).precondition();
  });
}

template <class T>
void ssor_cg_run_stencil(const grid<T>& A, double omega, T* x, T* r, T* work, double* norms,
                         run_state& state) {
  const index_t n = A.size();
  with_sor_faces(A, [&]<class Faces>() {
    ssor_runner<Faces, T>(A, omega, x, r, work, work + n, work + 2 * n).run(norms, state);
  });
}

#define PYSOLVE_INSTANTIATE(T)                                                  \
  template void sor_precondition_stencil(const grid<T>&, double, const T*, T*); \
  template void ssor_cg_run_stencil(const grid<T>&, double, T*, T*, T*, double*, run_state&);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
