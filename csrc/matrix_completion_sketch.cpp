// Rows whose equations are ill-conditioned although they have many entries: conjugate gradients preconditioned by a
// sketch, the paper's step.
#include <cmath>
#include <vector>

#include "matrix_completion_row.hpp"
#include "matrix_completion_share.hpp"

namespace pysolve::cpu {
namespace {

// Numbers that depend on the seed and the place alone (splitmix64).
struct random_bits {
  std::uint64_t state;
  std::uint64_t next() {
    std::uint64_t z = (state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  index_t below(index_t n) { return index_t((unsigned __int128)(next()) * std::uint64_t(n) >> 64); }
  double sign() { return next() >> 63 ? 1.0 : -1.0; }
};

struct sketch_work {
  std::vector<double> panel, weights, sketch, gram, r, z, p, s, u;
};

index_t power_of_two_from(index_t n) {
  index_t size = 1;
  while (size < n) size *= 2;
  return size;
}

void add_row(const double* from, double factor, double* to, index_t k) {
  for (index_t c = 0; c < k; ++c) to[c] += factor * from[c];
}

// Hadamard transform of the columns of n x k values, n a power of two.
void hadamard(double* x, index_t n, index_t k) {
  for (index_t half = 1; half < n; half *= 2)
    for (index_t i = 0; i < n; i += 2 * half)
      for (index_t j = i * k; j < (i + half) * k; ++j) {
        const double a = x[j], b = x[j + half * k];
        x[j] = a + b;
        x[j + half * k] = a - b;
      }
}

// S sqrt(W) V_i in work.sketch; returns its number of rows.
index_t draw_sketch(completion_sketch kind, index_t n_sketch, index_t d, index_t k, random_bits bits,
                    sketch_work& work) {
  const index_t size = kind == completion_sketch::srht ? power_of_two_from(d) : 0;
  work.sketch.assign(std::size_t((n_sketch + size) * k), 0.0);
  double *const out = work.sketch.data(), *const mixed = out + n_sketch * k;
  const auto row = [&](index_t e) { return work.panel.data() + e * k; };
  if (kind == completion_sketch::count) {
    for (index_t e = 0; e < d; ++e) {
      const double factor = bits.sign() * std::sqrt(work.weights[std::size_t(e)]);
      add_row(row(e), factor, out + bits.below(n_sketch) * k, k);
    }
  } else if (kind == completion_sketch::rows) {
    for (index_t i = 0; i < n_sketch; ++i) {
      const index_t e = bits.below(d);
      add_row(row(e), std::sqrt(work.weights[std::size_t(e)] * double(d) / double(n_sketch)), out + i * k, k);
    }
  } else {
    for (index_t e = 0; e < d; ++e)
      add_row(row(e), bits.sign() * std::sqrt(work.weights[std::size_t(e)]), mixed + e * k, k);
    hadamard(mixed, size, k);
    for (index_t i = 0; i < n_sketch; ++i)
      add_row(mixed + bits.below(size) * k, 1 / std::sqrt(double(n_sketch)), out + i * k, k);
  }
  return n_sketch;
}

// Cholesky factor L of S^T S + diag(reg) in place (lower half); false where that is not positive.
bool factorise(const double* S, index_t n_rows, index_t k, const double* reg, double* L) {
  std::fill_n(L, k * k, 0.0);
  for (index_t i = 0; i < n_rows; ++i)
    for (index_t a = 0; a < k; ++a)
      if (S[i * k + a] != 0) add_row(S + i * k, S[i * k + a], L + a * k, a + 1);
  for (index_t a = 0; a < k; ++a) {
    const double before = L[a * k + a] + (reg ? reg[a] : 0.0);
    L[a * k + a] = before;
    for (index_t b = 0; b <= a; ++b) {
      double s = L[a * k + b];
      for (index_t c = 0; c < b; ++c) s -= L[a * k + c] * L[b * k + c];
      if (b < a)
        L[a * k + b] = s / L[b * k + b];
      else if (!(s > 1e-14 * before))
        return false;
      else
        L[a * k + a] = std::sqrt(s);
    }
  }
  return true;
}

void solve_factor(const double* L, const double* r, double* z, index_t k) {
  for (index_t a = 0; a < k; ++a) {
    double s = r[a];
    for (index_t c = 0; c < a; ++c) s -= L[a * k + c] * z[c];
    z[a] = s / L[a * k + a];
  }
  for (index_t a = k; a-- > 0;) {
    z[a] /= L[a * k + a];
    for (index_t c = 0; c < a; ++c) z[c] -= L[a * k + c] * z[a];
  }
}

double dot(const double* a, const double* b, index_t k) {
  double s = 0;
  for (index_t c = 0; c < k; ++c) s += a[c] * b[c];
  return s;
}

// s = (V_i^T W V_i + diag(reg)) p
void multiply(const sketch_work& work, const double* reg, index_t d, index_t k, const double* p, double* s) {
  for (index_t c = 0; c < k; ++c) s[c] = reg ? reg[c] * p[c] : 0.0;
  for (index_t e = 0; e < d; ++e) {
    const double* const v = work.panel.data() + e * k;
    add_row(v, work.weights[std::size_t(e)] * dot(v, p, k), s, k);
  }
}

// Preconditioned steps on u from r = V_i^T W (y - V_i u) - reg u. Returns the factor that r^T M r's root shrank by a
// step.
double sketched_steps(const double* reg, index_t d, index_t k, int n_cg, bool preconditioned,
                      sketch_work& work) {
  double *const r = work.r.data(), *const z = work.z.data(), *const p = work.p.data(),
                *const s = work.s.data();
  const auto precondition = [&] {
    if (preconditioned)
      solve_factor(work.gram.data(), r, z, k);
    else
      std::copy_n(r, k, z);
  };
  precondition();
  std::copy_n(z, k, p);
  double rz = dot(r, z, k);
  const double first = rz;
  int steps = 0;
  for (; steps < n_cg && rz > 0; ++steps) {
    multiply(work, reg, d, k, p, s);
    const double alpha = rz / dot(p, s, k);
    if (!(alpha > 0) || !std::isfinite(alpha)) break;
    add_row(p, alpha, work.u.data(), k);
    add_row(s, -alpha, r, k);
    precondition();
    const double after = dot(r, z, k);
    for (index_t c = 0; c < k; ++c) p[c] = z[c] + after / rz * p[c];
    rz = after;
  }
  return steps > 0 && first > 0 ? std::pow(std::max(rz, 0.0) / first, 0.5 / steps) : 1.0;
}

struct sketch_settings {
  completion_sketch kind;
  index_t n_sketch;
  std::uint64_t seed;
};

// Panel, weights, u and gradient of a row in double; returns sum_e w_e (y_e - u.v_e)^2.
template <class T>
double read_row(const observed<T>& A, const T* V, const T* u, index_t k, const double* reg, index_t i,
                sketch_work& work) {
  const index_t ld = completion_stride(k), d = A.end[i] - A.begin[i];
  work.panel.resize(std::size_t(d * k)), work.weights.resize(std::size_t(d));
  double squares = 0;
  for (index_t c = 0; c < k; ++c) {
    work.u[std::size_t(c)] = double(u[c]);
    work.r[std::size_t(c)] = reg ? -reg[c] * double(u[c]) : 0.0;
  }
  for (index_t e = 0; e < d; ++e) {
    const index_t at = A.begin[i] + e;
    double* const v = work.panel.data() + e * k;
    for (index_t c = 0; c < k; ++c) v[c] = double(V[index_t(A.indices[at]) * ld + c]);
    const double w = A.weights ? double(A.weights[at]) : 1.0;
    const double rest = double(A.values[at]) - dot(v, work.u.data(), k);
    work.weights[std::size_t(e)] = w;
    squares += w * rest * rest;
    add_row(v, w * rest, work.r.data(), k);
  }
  return squares;
}

template <class T>
double sketched_row(const observed<T>& A, const T* V, T* u, index_t k, const double* reg, int n_cg, index_t i,
                    const sketch_settings& how, float* shrunk, sketch_work& work) {
  const index_t d = A.end[i] - A.begin[i];
  const double squares = read_row(A, V, u, k, reg, i, work);
  bool good = false;
  if (d > 0) {
    const index_t rows =
        draw_sketch(how.kind, how.n_sketch, d, k, {how.seed ^ std::uint64_t(i) * 0xD1342543DE82EF95u}, work);
    good = factorise(work.sketch.data(), rows, k, reg, work.gram.data());
  }
  const double factor = sketched_steps(reg, d, k, n_cg, good, work);
  if (shrunk) *shrunk = float(factor);
  if (std::isfinite(dot(work.u.data(), work.u.data(), k)))
    for (index_t c = 0; c < k; ++c) u[c] = T(work.u[std::size_t(c)]);
  return squares;
}

}  // namespace

template <class T>
completion_sums matrix_completion_sketched_step(const observed<T>& A, const T* V, T* U, index_t k,
                                                const double* reg, int n_cg, const index_t* chosen,
                                                index_t n_chosen, completion_sketch kind, index_t n_sketch,
                                                std::uint64_t seed, float* shrunk) {
  const row_extents rows = measure_rows(A, A.n_entries);
  if (rows.fault >= 0) return {0, rows.fault};
  for (index_t c = 0; c < n_chosen; ++c) {
    const index_t i = chosen[c];
    if (i < 0 || i >= A.n_rows || (c > 0 && chosen[c - 1] >= i)) return {0, i};
    for (index_t e = A.begin[i]; e < A.end[i]; ++e)
      if (A.indices[e] < 0 || A.indices[e] >= A.n_cols) return {0, i};
  }
  const blocks cut(n_chosen, 1);
  const index_t size = kind == completion_sketch::srht ? power_of_two_from(rows.longest) : 0;
  sketch_work one;
  for (auto* x : {&one.r, &one.z, &one.p, &one.s, &one.u}) x->resize(std::size_t(k));
  one.gram.resize(std::size_t(k * k));
  one.panel.reserve(std::size_t(rows.longest * k)), one.weights.reserve(std::size_t(rows.longest));
  one.sketch.reserve(std::size_t((n_sketch + size) * k));
  std::vector<sketch_work> works(1, std::move(one));
  std::vector<completion_sums> parts(std::size_t(cut.count));
  const sketch_settings how{kind, n_sketch, seed};
  share_rows(cut, works, [&](index_t b, index_t begin, index_t end, sketch_work& work) {
    for (index_t c = begin; c < end; ++c)
      parts[std::size_t(b)].squares += sketched_row(A, V, U + chosen[c] * completion_stride(k), k, reg, n_cg,
                                                    chosen[c], how, shrunk ? shrunk + c : nullptr, work);
  });
  return joined(parts);
}

#define PYSOLVE_INSTANTIATE(T)                                                                \
  template completion_sums matrix_completion_sketched_step(                                   \
      const observed<T>&, const T*, T*, index_t, const double*, int, const index_t*, index_t, \
      completion_sketch, index_t, std::uint64_t, float*);
PYSOLVE_INSTANTIATE(float)
PYSOLVE_INSTANTIATE(double)

}  // namespace pysolve::cpu
