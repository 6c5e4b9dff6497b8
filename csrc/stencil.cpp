#include "stencil.hpp"

#include "instantiate.hpp"
#include "parallel.hpp"
#include "stencil_row.hpp"

namespace pysolve::cpu {
namespace {

// Results larger than this are written past the caches: they would not be found there again.
constexpr index_t stream_bytes = 4 << 20;

template <class T>
index_t bytes_of(const grid<T>& A) {
  const index_t arrays = A.weights[0] ? 5 : 2;
  return A.size() * index_t(sizeof(T)) * (arrays + (A.shift != nullptr));
}

// Rows [begin, end) of y = A x; the dot product x . y where one is asked for.
template <class Faces, bool streams, bool dots, class T>
PYSOLVE_INLINE double rows_matvec(const grid<T>& A, const T* x, T* y, index_t begin, index_t end) {
  const index_t n1 = A.n[1], n2 = A.n[2];
  lanes<double> dot8 = {};
  double dot1 = 0;
  for (index_t row = begin; row < end; ++row) {
    const index_t i = row / n1, j = row - i * n1;
    const row_of<T> r = row_at(A, x, i, j);
    T* out = y + row * n2;
    const bool past_caches = streams && aligned16(out);
    along_row<T>(
        r, Faces(A, i, j), n2,
        [&](index_t k, lanes<T> v) PYSOLVE_LAMBDA {
          if (past_caches)
            stream(out + k, v);
          else
            store(out + k, v);
          if constexpr (dots) dot8 += widen<T>(load(r.c + k)) * widen<T>(v);
        },
        [&](index_t k, T v) PYSOLVE_LAMBDA {
          out[k] = v;
          if constexpr (dots) dot1 += inner(r.c[k], v);
        });
  }
  if constexpr (streams) stream_fence();
  return total(dot8) + dot1;
}

template <class Faces, bool dots, class T>
PYSOLVE_CLONES double rows_stored(const grid<T>& A, const T* x, T* y, index_t begin, index_t end) {
  return rows_matvec<Faces, false, dots>(A, x, y, begin, end);
}

template <class Faces, bool dots, class T>
PYSOLVE_CLONES double rows_streamed(const grid<T>& A, const T* x, T* y, index_t begin, index_t end) {
  return rows_matvec<Faces, true, dots>(A, x, y, begin, end);
}

template <class Faces, class T>
PYSOLVE_CLONES double rows_residual(const grid<T>& A, const T* b, const T* x, T* r, index_t begin,
                                    index_t end) {
  const index_t n1 = A.n[1], n2 = A.n[2];
  lanes<double> rr8 = {};
  double rr1 = 0;
  for (index_t row = begin; row < end; ++row) {
    const index_t i = row / n1, j = row - i * n1;
    const T* right = b + row * n2;
    T* out = r + row * n2;
    along_row<double>(
        row_at(A, x, i, j), Faces(A, i, j), n2,
        [&](index_t k, lanes<double> v) PYSOLVE_LAMBDA {
          const lanes<T> d = narrow<T>(widen<T>(load(right + k)) - v);
          store(out + k, d);
          rr8 += widen<T>(d) * widen<T>(d);
        },
        [&](index_t k, double v) PYSOLVE_LAMBDA {
          out[k] = T(double(right[k]) - v);
          rr1 += squared(out[k]);
        });
  }
  return total(rr8) + rr1;
}

// Sum over blocks of rows of fix(cells of the block, its decoupled cells, f(rows of the block)).
template <class T, class F, class Fix>
double over_rows(const grid<T>& A, F&& f, Fix&& fix) {
  const blocks cut(A.n[0] * A.n[1], 1);
  double part[blocks::max_blocks];
  parallel_ranges(cut.count, n_threads(bytes_of(A)), [&](index_t first, index_t last) {
    const index_t* const end = A.decoupled + A.n_decoupled;
    for (index_t b = first; b < last; ++b) {
      const index_t begin_cell = cut.begin(b) * A.n[2], end_cell = cut.end(b) * A.n[2];
      part[b] = f(cut.begin(b), cut.end(b));
      const index_t* cell = std::lower_bound(A.decoupled, end, begin_cell);
      const index_t* last_cell = std::lower_bound(cell, end, end_cell);
      if (cell < last_cell) part[b] = fix(begin_cell, end_cell, cell, last_cell, part[b]);
    }
  });
  return sum(part, cut.count);
}

template <class T>
PYSOLVE_CLONES double squares(const T* r, index_t begin, index_t end) {
  lanes<double> rr8 = {};
  double rr1 = 0;
  index_t k = begin;
  for (; k + n_lanes <= end; k += n_lanes) rr8 += widen<T>(load(r + k)) * widen<T>(load(r + k));
  for (; k < end; ++k) rr1 += squared(r[k]);
  return total(rr8) + rr1;
}

template <bool dots, class T>
double product(const grid<T>& A, const T* x, T* y) {
  const bool streams = A.size() * index_t(sizeof(T)) > stream_bytes;
  return with_faces(A, [&]<class Faces>() {
    return over_rows(
        A,
        [&](index_t begin, index_t end) {
          return streams ? rows_streamed<Faces, dots>(A, x, y, begin, end)
                         : rows_stored<Faces, dots>(A, x, y, begin, end);
        },
        [&](index_t, index_t, const index_t* cell, const index_t* last, double dot) {
          for (; cell < last; ++cell) {
            y[*cell] = x[*cell];
            dot += squared(x[*cell]);
          }
          return dot;
        });
  });
}

}  // namespace

template <class T>
void stencil_matvec(const grid<T>& A, const T* x, T* y) {
  product<false>(A, x, y);
}

template <class T>
double stencil_matvec_dot(const grid<T>& A, const T* x, T* y) {
  return product<true>(A, x, y);
}

template <class T>
double stencil_residual(const grid<T>& A, const T* b, const T* x, T* r) {
  return with_faces(A, [&]<class Faces>() {
    return over_rows(
        A, [&](index_t begin, index_t end) { return rows_residual<Faces>(A, b, x, r, begin, end); },
        // The sum is taken anew: what the decoupled cells added to it before may dwarf the rest.
        [&](index_t begin, index_t end, const index_t* cell, const index_t* last, double) {
          for (; cell < last; ++cell) r[*cell] = b[*cell] - x[*cell];
          return squares(r, begin, end);
        });
  });
}

#define PYSOLVE_INSTANTIATE(T)                                      \
  template void stencil_matvec(const grid<T>&, const T*, T*);       \
  template double stencil_matvec_dot(const grid<T>&, const T*, T*); \
  template double stencil_residual(const grid<T>&, const T*, const T*, T*);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
