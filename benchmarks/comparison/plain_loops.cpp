// What a programmer would write first, as a yardstick in the same run: copy, triad and read loops, and conjugate
// gradients on the 7-point stencil with its steps fused by hand; and MIC(0), the preconditioner of fluid simulations,
// which no library here has. Compiled where a compiler is found.
#include <cmath>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace {

void stream(double* to, double first, double second) {
#if defined(__SSE2__)
  _mm_stream_pd(to, _mm_set_pd(second, first));
#else
  to[0] = first;
  to[1] = second;
#endif
}

void fence() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace

extern "C" {

void copy_plain(double* __restrict a, const double* __restrict b, const double*, long n) {
  // Something is added so that no call of memcpy, which may go past the caches, takes the place of the loop.
#pragma omp simd
  for (long i = 0; i < n; ++i) a[i] = b[i] + 0.5;
}

void copy_streamed(double* a, const double* b, const double*, long n) {
  for (long i = 0; i + 2 <= n; i += 2) stream(a + i, b[i], b[i + 1]);
  fence();
}

void triad_plain(double* __restrict a, const double* __restrict b, const double* __restrict c, long n) {
#pragma omp simd
  for (long i = 0; i < n; ++i) a[i] = b[i] + 3.0 * c[i];
}

void triad_streamed(double* a, const double* b, const double* c, long n) {
  for (long i = 0; i + 2 <= n; i += 2) stream(a + i, b[i] + 3.0 * c[i], b[i + 1] + 3.0 * c[i + 1]);
  fence();
}

double read_two(double*, const double* b, const double* c, long n) {
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (long i = 0; i < n; ++i) total += b[i] * c[i];
  return total;
}

// `steps` iterations of CG for -laplace on m^3 cells, Dirichlet; p has a layer of zeros around it, (m+2)^3 values.
// Three passes an iteration: p = r + beta p; q = A p with p.q; x, r and r.r.
double plain_cg(long m, long steps, double* __restrict x, double* __restrict r, double* __restrict p,
                double* __restrict q, int threads) {
  const long row = m + 2, layer = row * row;
  double rr = 0, pq = 0, beta = 0, old = 0;
#pragma omp parallel num_threads(threads)
  {
#pragma omp for reduction(+ : rr)
    for (long i = 0; i < m * m * m; ++i) rr += r[i] * r[i];
    for (long step = 0; step < steps; ++step) {
#pragma omp for
      for (long i = 0; i < m; ++i)
        for (long j = 0; j < m; ++j) {
          double* at = p + (i + 1) * layer + (j + 1) * row + 1;
          const double* from = r + (i * m + j) * m;
#pragma omp simd
          for (long k = 0; k < m; ++k) at[k] = from[k] + beta * at[k];
        }
#pragma omp for reduction(+ : pq)
      for (long i = 0; i < m; ++i)
        for (long j = 0; j < m; ++j) {
          const double* at = p + (i + 1) * layer + (j + 1) * row + 1;
          double* to = q + (i * m + j) * m;
#pragma omp simd reduction(+ : pq)
          for (long k = 0; k < m; ++k) {
            const double value = 6 * at[k] - at[k - 1] - at[k + 1] - at[k - row] - at[k + row] - at[k - layer] -
                                 at[k + layer];
            to[k] = value;
            pq += at[k] * value;
          }
        }
      const double alpha = rr / pq;
#pragma omp barrier
#pragma omp single
      {
        old = rr;
        rr = 0;
      }
#pragma omp for reduction(+ : rr)
      for (long i = 0; i < m; ++i)
        for (long j = 0; j < m; ++j) {
          const double* at = p + (i + 1) * layer + (j + 1) * row + 1;
          const long first = (i * m + j) * m;
#pragma omp simd reduction(+ : rr)
          for (long k = 0; k < m; ++k) {
            x[first + k] += alpha * at[k];
            const double value = r[first + k] - alpha * q[first + k];
            r[first + k] = value;
            rr += value * value;
          }
        }
#pragma omp single
      {
        beta = rr / old;
        pq = 0;
      }
    }
  }
  return std::sqrt(rr);
}

// MIC(0) of a symmetric matrix with sorted rows and a pattern without triangles, as grids have it:
// (L + E) E^-1 (E + L^T) with A's strict lower triangle L and nearly its row sums, 97 % of what is dropped being
// moved to the diagonal (R. Bridson, Fluid Simulation for Computer Graphics, 2nd ed., section 5.4).
// inverse becomes 1 / E; beyond is room for n values, the sums of the rows right of the diagonal.
void mic_factor(long n, const int* indptr, const int* indices, const double* data, double* inverse, double* beyond) {
  for (long i = 0; i < n; ++i) {
    long k = indptr[i];
    double e = 0, right = 0;
    for (; indices[k] < i; ++k) {
      const long j = indices[k];
      e -= data[k] * (data[k] + 0.97 * (beyond[j] - data[k])) * inverse[j];
    }
    const double diagonal = data[k];
    while (++k < indptr[i + 1]) right += data[k];
    e += diagonal;
    inverse[i] = 1 / (e < 0.25 * diagonal ? diagonal : e);
    beyond[i] = right;
  }
}

void mic_solve(long n, const int* indptr, const int* indices, const double* data, const double* inverse,
               const double* r, double* z) {
  for (long i = 0; i < n; ++i) {
    double sum = r[i];
    for (long k = indptr[i]; indices[k] < i; ++k) sum -= data[k] * z[indices[k]];
    z[i] = sum * inverse[i];
  }
  for (long i = n - 1; i >= 0; --i) {
    double sum = 0;
    for (long k = indptr[i + 1] - 1; indices[k] > i; --k) sum += data[k] * z[indices[k]];
    z[i] -= sum * inverse[i];
  }
}

}  // extern "C"
