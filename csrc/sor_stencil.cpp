#include "sor_stencil.hpp"

#include <cmath>
#include <limits>

#include "instantiate.hpp"
#include "sor_halves.hpp"
#include "sor_stencil_rows.hpp"

namespace pysolve::cpu {
namespace {

enum class stage { forward, backward, red, black, residual };

// What one sweep is made of: passes, ascending or descending, of stages that follow one another.
struct sweep_plan {
  struct pass {
    bool descends;
    std::vector<stage> stages;
  };
  std::vector<pass> passes;
  sweep_plan(sor_direction sweep, bool red_black) {
    const bool forward = sweep != sor_direction::backward, backward = sweep != sor_direction::forward;
    if (red_black) {  // whichever way the cells of a colour are passed through
      passes.push_back({false, {}});
      if (forward) passes[0].stages = {stage::red, stage::black};
      if (backward) passes[0].stages.insert(passes[0].stages.end(), {stage::black, stage::red});
    } else {
      if (forward) passes.push_back({false, {stage::forward}});
      if (backward) passes.push_back({true, {stage::backward}});
    }
  }
  bool fuses() const { return passes.size() == 1; }
};

// Sweeps are taken together when what they pass through at a time fits into this many bytes of cache.
constexpr index_t cached_bytes = 640 << 10;
constexpr index_t most_together = 8;

template <class T>
index_t bytes_of_sweep(const grid<T>& A) {
  const index_t arrays = A.weights[0] ? (A.n[1] > 1 ? 6 : 5) : 3;
  return A.size() * index_t(sizeof(T)) * (arrays + (A.shift != nullptr));
}

template <class Faces, class T>
class sor_runner {
  const sor_system<Faces, T> s_;
  const sweep_plan plan_;
  slabs cut_;
  const bool asks_;
  index_t most_together_ = 1;
  barrier meet_;
  std::vector<segment_progress> progress_;
  std::vector<double>
      squares_[2];  // eight by sweep of a group and slab; of one group while the next is under way
  std::unique_ptr<T[]> kept_;
  std::unique_ptr<halves<Faces, T>> halves_;  // where they are what several sweeps together are done with

  // Where a thread stands.
  struct place {
    int thread;
    index_t passed = 0, done = 0, kept_at = -1;
    int turn = 0;
  };

 public:
  sor_runner(const grid<T>& A, const T* b, T* x, double omega, sor_direction sweep, bool red_black, bool asks)
      : s_(A, T(omega), b, x), plan_(sweep, red_black), cut_(A, n_threads(bytes_of_sweep(A))), asks_(asks) {
    const index_t read_bytes = bytes_of_sweep(A) / 3 * 2,
                  stages = index_t(plan_.passes[0].stages.size()) + asks;
    if (cut_.pipelined && plan_.fuses() && read_bytes > cached_bytes) {
      cut_.narrow();
      const index_t slab_bytes = std::max(index_t(1), read_bytes / cut_.count / cut_.segments * cut_.threads);
      most_together_ = std::clamp((cached_bytes / slab_bytes - 2) / stages, index_t(1), most_together);
    }
    if (!asks && red_black && read_bytes > cached_bytes && halves<Faces, T>::suits(A, cut_)) {
      halves_ = std::make_unique<halves<Faces, T>>(s_, cut_);
      most_together_ = halves_->most_stages / stages;
    }
    progress_ = std::vector<segment_progress>(cut_.segments);
    if (!asks) return;
    kept_.reset(new T[A.size()]);
    for (auto& squares : squares_) squares.resize(most_together_ * cut_.count * n_lanes);
  }

  void run(double* norms, run_state& state) {
    parallel_run(cut_.threads, state, [&](int thread, int team, const run_state& given) {
      return run_thread(thread, team, given, norms);
    });
  }

 private:
  // By every thread: all see the same sums and take the same decisions.
  run_state run_thread(int thread, int team, run_state state, double* norms) {
    place at{thread};
    const index_t most = state.n_steps;
    state.end = run_end::steps;
    double last = 0, rate = 0;
    while (at.done < most && state.end == run_end::steps) {
      const double left = sweeps_left(last, rate, state.tolerance);
      const index_t together = std::min(most - at.done, next_group(left));
      // Any x that is kept will do to go back from; the nearer, the shorter the way.
      const bool keeps = asks_ && (at.kept_at < 0 || (together > 1 && left < double(3 * most_together_)));
      if (keeps) at.kept_at = at.done;
      group(at, team, together, keeps, asks_);
      index_t counted = 0;
      while (counted < together && state.end == run_end::steps) {
        const double norm = asks_ ? norm_of(at, counted) : std::numeric_limits<double>::quiet_NaN();
        if (thread == 0) norms[at.done + counted] = norm;
        ++counted;
        if (!asks_) continue;
        if (!std::isfinite(norm)) state.end = run_end::not_finite;
        if (norm <= state.tolerance) state.end = run_end::tolerance;
        rate = last > 0 ? norm / last : 0;
        last = norm;
      }
      const index_t wanted = counted - (state.end == run_end::not_finite);
      if (wanted < together) go_back(at, team, at.done + wanted);
      at.done += counted;
      at.turn ^= 1;
    }
    state.n_steps = at.done;
    return state;
  }

  // How many sweeps are left, by the rate of the last one; 0 when nothing is known.
  static double sweeps_left(double last, double rate, double tolerance) {
    if (!(rate > 0)) return 0;
    return rate < 1 && tolerance > 0 ? std::log(tolerance / last) / std::log(rate) : HUGE_VAL;
  }
  // How many to take together: no more than are likely to be needed.
  index_t next_group(double left) const {
    return left > 0 && left < double(most_together_) ? std::max(index_t(1), index_t(left)) : most_together_;
  }

  double norm_of(const place& at, index_t sweep) const {
    double sum = 0;
    for (index_t slab = 0; slab < cut_.count; ++slab)
      sum += total(load(&squares_[at.turn][(sweep * cut_.count + slab) * n_lanes]));
    return std::sqrt(sum);
  }

  void go_back(place& at, int team, index_t done) {
    const index_t n = s_.A.size();
    meet_.wait(team);
    std::copy(kept_.get() + n * at.thread / team, kept_.get() + n * (at.thread + 1) / team,
              s_.x + n * at.thread / team);
    meet_.wait(team);
    if (done > at.kept_at) group(at, team, done - at.kept_at, false, false);
  }

  void group(place& at, int team, index_t together, bool keeps, bool norms) {
    if constexpr (Faces::is_constant)
      if (halves_ && together * index_t(plan_.passes[0].stages.size()) >= halves_->least_stages)
        return pass_in_halves(at, team, together);
    if (plan_.fuses() && cut_.pipelined) {
      std::vector<stage> stages;
      for (index_t sweep = 0; sweep < together; ++sweep) {
        stages.insert(stages.end(), plan_.passes[0].stages.begin(), plan_.passes[0].stages.end());
        if (norms) stages.push_back(stage::residual);
      }
      const index_t each = index_t(stages.size()) / together;
      return pass(at, team, plan_.passes[0].descends, stages, keeps, each);
    }
    for (index_t sweep = 0; sweep < together; ++sweep) one_sweep(at, team, keeps && sweep == 0, norms);
  }

  void one_sweep(place& at, int team, bool keeps, bool norms) {
    for (const sweep_plan::pass& p : plan_.passes) {
      std::vector<stage> stages = p.stages;
      if (norms && &p == &plan_.passes.back()) stages.push_back(stage::residual);
      if (cut_.pipelined) {
        pass(at, team, p.descends, stages, keeps, index_t(stages.size()));
        keeps = false;
        continue;
      }
      for (stage only : stages) {
        pass(at, team, p.descends, {only}, keeps, 1);
        keeps = false;
      }
    }
  }

  // `each`: how many stages belong to one sweep.
  void pass(place& at, int team, bool descends, const std::vector<stage>& stages, bool keeps, index_t each) {
    double* squares = squares_[at.turn].data();
    cut_.pass(at.thread, team, index_t(stages.size()), descends, progress_.data(), at.passed,
              [&](index_t m, index_t slab, row_piece piece, bool starts) {
                if (m == 0 && keeps) keep(piece);
                if (stages[m] == stage::residual) {
                  double* sum = squares + (m / each * cut_.count + slab) * n_lanes;
                  descends ? add_residual<true>(s_, piece, starts, sum)
                           : add_residual<false>(s_, piece, starts, sum);
                } else {
                  relax(stages[m], piece, m == 0);
                }
              });
    meet_.wait(team);
  }

  void pass_in_halves(place& at, int team, index_t together) {
    std::vector<int> colours;
    for (index_t sweep = 0; sweep < together; ++sweep)
      for (stage what : plan_.passes[0].stages) colours.push_back(what == stage::black);
    halves_->pass(at.thread, team, colours, at.passed);
    meet_.wait(team);
  }

  void relax(stage what, row_piece piece, bool leads) const {
    if (what == stage::forward)
      relax_forward(s_, piece, leads);
    else if (what == stage::backward)
      relax_backward(s_, piece);
    else
      relax_colour(s_, piece, what == stage::black, leads);
  }

  void keep(row_piece piece) const {
    const index_t row = (piece.i * s_.A.n[1] + piece.j) * s_.A.n[2];
    std::copy(s_.x + row + piece.begin, s_.x + row + piece.end, kept_.get() + row + piece.begin);
  }
};

}  // namespace

template <class T>
void sor_run_stencil(const grid<T>& A, const T* b, T* x, double omega, sor_direction sweep, sor_order order,
                     double* norms, run_state& state) {
  with_sor_faces(A, [&]<class Faces>() {
    sor_runner<Faces, T>(A, b, x, omega, sweep, order == sor_order::multicolor, !(state.tolerance < 0))
        .run(norms, state);
  });
}

template <class T>
void sor_sweep_stencil(const grid<T>& A, const T* b, T* x, double omega, int colour) {
  with_sor_faces(A, [&]<class Faces>() {
    const sor_system<Faces, T> s(A, T(omega), b, x);
    parallel_ranges(A.n[0] * A.n[1], n_threads(bytes_of_sweep(A)), [&](index_t first, index_t last) {
      for (index_t row = first; row < last; ++row)
        relax_colour(s, {row / A.n[1], row % A.n[1], 0, A.n[2]}, colour, true);
    });
  });
}

#define PYSOLVE_INSTANTIATE(T)                                                                           \
  template void sor_run_stencil(const grid<T>&, const T*, T*, double, sor_direction, sor_order, double*, \
                                run_state&);                                                             \
  template void sor_sweep_stencil(const grid<T>&, const T*, T*, double, int);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
