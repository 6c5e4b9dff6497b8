// Runs of conjugate gradients on stencil operators. A p is never stored: p^H A p is summed face by face,
//   p^H A p = sum_f w_f (p_c - p_neighbour(f))^2 + sum_c shift_c p_c^2,
// while p is being formed (each row with the faces to the rows before it, so that nothing is read twice), and
// A p is formed again where x and r are updated.
#include <vector>

#include "conjugate_directions_run.hpp"
#include "instantiate.hpp"
#include "stencil_row.hpp"

namespace pysolve::cpu {
namespace {

// p = M r + beta p in one row of cells, eight or one at a time, with the sum of p . p.
template <class T>
struct row_direction {
  const T *r, *d;
  T* p;
  T beta;
  lanes<double>& pp8;
  double& pp1;
  PYSOLVE_INLINE lanes<T> eight(index_t k) const {
    const lanes<T> z = d ? load(d + k) * load(r + k) : load(r + k), v = z + beta * load(p + k);
    store(p + k, v);
    pp8 += widen<T>(v) * widen<T>(v);
    return v;
  }
  PYSOLVE_INLINE T one(index_t k) const {
    p[k] = (d ? d[k] * r[k] : r[k]) + beta * p[k];
    pp1 += squared(p[k]);
    return p[k];
  }
};

// The row as it stands.
template <class T>
struct row_values {
  const T* p;
  PYSOLVE_INLINE lanes<T> eight(index_t k) const { return load(p + k); }
  PYSOLVE_INLINE T one(index_t k) const { return p[k]; }
};

// Energy of a row: its faces to rows i - 1 and j - 1, those along it, the Dirichlet sides above it, its shift. Its
// values come from `values`, which may be making them, but not where the row is periodic: row.left is its last one.
template <class T, class Faces, class Values>
PYSOLVE_INLINE double row_energy(const grid<T>& A, const row_of<T>& row, const Faces& faces, bool x_side,
                                 bool y_side, const Values& values) {
  using V = lanes<T>;
  const index_t n = A.n[2];
  const auto get8 = [](const T* p) PYSOLVE_LAMBDA { return load(p); };
  const auto get1 = [](const T* p) PYSOLVE_LAMBDA { return *p; };
  const bool mirrored = A.low[2] == side::neumann;  // the first value stands beyond the side too
  lanes<double> e8 = {};
  double e1 = 0;
  T last = row.left;
  V before = V{} + last;
  index_t k = 0;
  for (; k + n_lanes <= n; k += n_lanes) {
    const V here = values.eight(k);
    if (k == 0 && mirrored) before = V{} + here[0];
    const V zm = __builtin_shufflevector(before, here, 7, 8, 9, 10, 11, 12, 13, 14);
    e8 += widen<T>(faces.energy(here, load(row.xm + k), load(row.ym + k), zm, x_side, y_side, k, get8));
    before = here;
    last = here[7];
  }
  for (; k < n; ++k) {
    const T here = values.one(k), zm = k == 0 && mirrored ? here : last;
    e1 += faces.energy(here, row.xm[k], row.ym[k], zm, x_side, y_side, k, get1);
    last = here;
  }
  if (A.high[2] == side::dirichlet) e1 += double(faces.last_face(n)) * squared(last);
  return total(e8) + e1;
}

template <class Faces, class T>
struct matrix_free {
  using real = T;
  const grid<T>& A;
  const T* d;
  T *x, *r, *p;
  blocks cut;
  double* energy_of;  // by row: added up in the order of the rows, whoever found them
  pair_sum part_p[blocks::max_blocks], part_r[blocks::max_blocks];

  template <class F>
  void over_blocks(int thread, int threads, F&& f) {
    const index_t first = first_block(cut.count, thread, threads),
                  last = first_block(cut.count, thread + 1, threads);
    for (index_t b = first; b < last; ++b) f(b, cut.begin(b), cut.end(b), cut.begin(first));
  }

  // Whether the rows before `row` are complete as soon as it is: they lie in the thread's own share, which
  // starts at `share`, and are not beyond a periodic side.
  PYSOLVE_INLINE bool complete(index_t i, index_t j, index_t row, index_t share) const {
    const index_t n1 = A.n[1];
    if (i > 0 ? row - n1 < share : A.low[0] == side::periodic) return false;
    return j > 0 ? row - 1 >= share : A.low[1] != side::periodic;
  }
  PYSOLVE_INLINE bool at_x_side(index_t i) const { return i == A.n[0] - 1 && A.high[0] == side::dirichlet; }
  PYSOLVE_INLINE bool at_y_side(index_t j) const { return j == A.n[1] - 1 && A.high[1] == side::dirichlet; }
  PYSOLVE_INLINE row_of<T> row_of_p(index_t i, index_t j) const {
    return row_at(A, static_cast<const T*>(p), i, j);
  }
  template <class Values>
  PYSOLVE_INLINE double energy(index_t i, index_t j, const Values& values) const {
    return row_energy(A, row_of_p(i, j), Faces(A, i, j), at_x_side(i), at_y_side(j), values);
  }
  PYSOLVE_INLINE double energy(index_t i, index_t j) const {
    return energy(i, j, row_values<T>{p + (i * A.n[1] + j) * A.n[2]});
  }
  PYSOLVE_INLINE const T* inverse_diagonal(index_t row) const { return d ? d + row * A.n[2] : nullptr; }

  void direction(int thread, int threads, double beta) {
    over_blocks(thread, threads, [&](index_t b, index_t begin, index_t end, index_t share) {
      part_p[b].first = rows_direction(*this, T(beta), begin, end, share);
    });
  }
  void product(int thread, int threads) {
    over_blocks(thread, threads, [&](index_t b, index_t begin, index_t end, index_t share) {
      part_p[b].second = rows_energy(*this, begin, end, share);
    });
  }
  void norms(int thread, int threads) {
    over_blocks(thread, threads, [&](index_t b, index_t begin, index_t end, index_t) {
      part_r[b] = range_norms(r, d, begin * A.n[2], end * A.n[2]);
    });
  }
  void update(int thread, int threads, double alpha, x_step step) {
    over_blocks(thread, threads, [&](index_t b, index_t begin, index_t end, index_t) {
      part_r[b] = step ? rows_update<true>(*this, T(alpha), step, begin, end)
                       : rows_update<false>(*this, T(alpha), step, begin, end);
    });
  }
  void move(int thread, int threads, x_step step) {
    if (!step) return;
    over_blocks(thread, threads, [&](index_t, index_t begin, index_t end, index_t) {
      range_move(x, r, p, d, step, begin * A.n[2], end * A.n[2]);
    });
  }
};

template <class Faces, class T>
PYSOLVE_CLONES double rows_direction(const matrix_free<Faces, T>& s, T beta, index_t begin, index_t end,
                                     index_t share) {
  const index_t n1 = s.A.n[1], n2 = s.A.n[2];
  lanes<double> pp8 = {};
  double pp1 = 0;
  for (index_t row = begin; row < end; ++row) {
    const index_t i = row / n1, j = row - i * n1;
    const row_direction<T> made{s.r + row * n2, s.inverse_diagonal(row), s.p + row * n2, beta, pp8, pp1};
    const bool complete = s.complete(i, j, row, share);
    if (complete && s.A.low[2] != side::periodic) {
      s.energy_of[row] = s.energy(i, j, made);
      continue;
    }
    index_t k = 0;
    for (; k + n_lanes <= n2; k += n_lanes) made.eight(k);
    for (; k < n2; ++k) made.one(k);
    if (complete) s.energy_of[row] = s.energy(i, j);
  }
  return total(pp8) + pp1;
}

// Sum of the energies of rows [begin, end), those that rows_direction had to leave included.
template <class Faces, class T>
PYSOLVE_CLONES double rows_energy(const matrix_free<Faces, T>& s, index_t begin, index_t end, index_t share) {
  const index_t n1 = s.A.n[1];
  double sum = 0;
  for (index_t row = begin; row < end; ++row) {
    const index_t i = row / n1, j = row - i * n1;
    if (!s.complete(i, j, row, share)) s.energy_of[row] = s.energy(i, j);
    sum += s.energy_of[row];
  }
  return sum;
}

template <bool moves, class Faces, class T>
PYSOLVE_CLONES pair_sum rows_update(const matrix_free<Faces, T>& s, T alpha, x_step step, index_t begin,
                                    index_t end) {
  const index_t n1 = s.A.n[1], n2 = s.A.n[2];
  const T along_p = T(step.p), along_z = T(step.z);
  lanes<double> rr8 = {}, rz8 = {};
  double rr1 = 0, rz1 = 0;
  for (index_t row = begin; row < end; ++row) {
    const index_t i = row / n1, j = row - i * n1;
    T *x = s.x + row * n2, *r = s.r + row * n2;
    const T *p = s.p + row * n2, *d = s.inverse_diagonal(row);
    along_row<T>(
        s.row_of_p(i, j), Faces(s.A, i, j), n2,
        [&](index_t k, lanes<T> q) PYSOLVE_LAMBDA {
          const lanes<T> old = load(r + k), v = old - alpha * q;
          if constexpr (moves)
            store(x + k, load(x + k) + along_p * load(p + k) + along_z * (d ? load(d + k) * old : old));
          store(r + k, v);
          const lanes<double> square = widen<T>(v) * widen<T>(v);
          rr8 += square;
          if (d) rz8 += square * widen<T>(load(d + k));
        },
        [&](index_t k, T q) PYSOLVE_LAMBDA {
          if constexpr (moves) x[k] += along_p * p[k] + along_z * (d ? d[k] * r[k] : r[k]);
          r[k] -= alpha * q;
          rr1 += squared(r[k]);
          if (d) rz1 += squared(r[k]) * double(d[k]);
        });
  }
  const double rr = total(rr8) + rr1;
  return {rr, s.d ? total(rz8) + rz1 : rr};
}

// f(system, thread, threads, barrier) by every thread of a team, for the kind of weights that A has.
template <class T, class F>
void with_system(const grid<T>& A, const T* d, T* x, T* r, T* p, int threads, F&& f) {
  std::vector<double> energy_of(A.n[0] * A.n[1]);
  with_faces(A, [&]<class Faces>() {
    matrix_free<Faces, T> system{A, d, x, r, p, blocks(A.n[0] * A.n[1], 1), energy_of.data(), {}, {}};
    f(system, threads);
  });
}

template <class T>
index_t bytes_of_a_step(const grid<T>& A) {
  return A.size() * index_t(sizeof(T)) * (A.weights[0] ? 13 : 7);
}

}  // namespace

template <class T>
energy_report conjugate_directions_toward_stencil(const grid<T>& A, const T* z, double beta, T* p) {
  energy_report found;
  const int threads = n_threads(bytes_of_a_step(A) / 2);
  with_system(A, static_cast<const T*>(nullptr), static_cast<T*>(nullptr), const_cast<T*>(z), p, threads,
              [&](auto& system, int team) {
                barrier meet;
                parallel_team(team, [&](int thread, int size) {
                  system.direction(thread, size, beta);
                  meet.wait(size);
                  system.product(thread, size);
                });
                const pair_sum total = sum(system.part_p, system.cut.count);
                found = {total.second, total.first};
              });
  return found;
}

template <class T>
double conjugate_directions_along_stencil(const grid<T>& A, double alpha, T* x, T* r, const T* p) {
  double rr = 0;
  const int threads = n_threads(bytes_of_a_step(A) / 2);
  with_system(
      A, static_cast<const T*>(nullptr), x, r, const_cast<T*>(p), threads, [&](auto& system, int team) {
        parallel_team(team,
                      [&](int thread, int size) { system.update(thread, size, alpha, x_step{alpha, 0}); });
        rr = sum(system.part_r, system.cut.count).first;
      });
  return rr;
}

template <class T>
void conjugate_directions_run_stencil(const grid<T>& A, const T* inverse_diagonal, T* x, T* r, T* p, T*,
                                      double* norms, run_state& state) {
  with_system(A, inverse_diagonal, x, r, p, n_threads(steps_of_a_run * bytes_of_a_step(A)),
              [&](auto& system, int team) { run(system, team, norms, state); });
}

#define PYSOLVE_INSTANTIATE(T)                                                                      \
  template energy_report conjugate_directions_toward_stencil(const grid<T>&, const T*, double, T*); \
  template double conjugate_directions_along_stencil(const grid<T>&, double, T*, T*, const T*);     \
  template void conjugate_directions_run_stencil(const grid<T>&, const T*, T*, T*, T*, T*, double*, \
                                                 run_state&);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
