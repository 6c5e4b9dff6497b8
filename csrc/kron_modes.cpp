#include "kron_modes.hpp"

#include "instantiate.hpp"

namespace pysolve::cpu {
namespace {

using namespace kron_tile;

// A tile is a function of its own, compiled for the instructions it needs: within the loops around it the compiler has no
// registers left for its pointers. The loader has no say in the wide one: has_wide_registers() chooses.
#if defined(PYSOLVE_HAS_CLONES)
#define PYSOLVE_WIDE __attribute__((noinline, target("arch=x86-64-v4")))
#else
#define PYSOLVE_WIDE __attribute__((noinline))
#endif

template <int MR, int NV, class T, class Rows, class Vectors>
PYSOLVE_WIDE void wide_multiply(const Rows& rows, const Vectors& vectors, index_t n,
                                const target<MR, NV, T>& c) {
  multiply(rows, vectors, n, c);
}

template <int MR, int NV, class T, class Rows, class Vectors>
PYSOLVE_CLONES void narrow_multiply(const Rows& rows, const Vectors& vectors, index_t n,
                                    const target<MR, NV, T>& c) {
  multiply(rows, vectors, n, c);
}

// Rows and vectors of a tile: as many as the registers hold, 32 of 64 bytes or 16 of 32.
struct wide_tile {
  static constexpr int MR = 8, NV = 3;
  template <class... Parts>
  static void multiply(const Parts&... parts) {
    wide_multiply(parts...);
  }
};
struct narrow_tile {
  static constexpr int MR = 4, NV = 1;
  template <class... Parts>
  static void multiply(const Parts&... parts) {
    narrow_multiply(parts...);
  }
};

bool has_wide_registers() {
#if defined(PYSOLVE_HAS_CLONES)
  static const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  return wide;
#elif defined(__AVX512F__)
  return true;
#else
  return false;
#endif
}

// f.template operator()<n>() for n = 1 ... most.
template <int most, class F>
PYSOLVE_INLINE void with_vectors(index_t n, F f) {
  if constexpr (most > 2)
    if (n == 3) return f.template operator()<3>();
  if constexpr (most > 1)
    if (n == 2) return f.template operator()<2>();
  f.template operator()<1>();
}

// f.template operator()<rows>(first, rows that are there) for m rows in blocks.
template <int MR, class F>
PYSOLVE_INLINE void over_rows(index_t m, F f) {
  index_t i = 0;
  for (; i + MR <= m; i += MR) f.template operator()<MR>(i, MR);
  const int rest = int(m - i);
  if (rest > MR / 2)
    f.template operator()<MR>(i, rest);
  else if (rest > MR / 4)
    f.template operator()<MR / 2>(i, rest);
  else if (rest > 0)
    f.template operator()<MR / 4>(i, rest);
}

// Panel by panel the vectors of the columns of A^T: value (k, v, e) of one is A_ik for i = vector_begin(v) + e.
template <int NV, class T>
void pack_columns(const kron_factor<T>& A, T* packed) {
  const index_t vectors = n_vectors<T>(A.m), panels = n_panels(vectors, NV);
  for (index_t p = 0; p < panels; ++p) {
    const index_t first = panel_begin(vectors, NV, p), last = panel_begin(vectors, NV, p + 1);
    for (index_t v = first; v < last; ++v) {
      const index_t begin = vector_begin<T>(v, A.m), lanes = std::min(A.m, width<T>);
      T* const to = packed + first * A.n * width<T> + (v - first) * width<T>;
      for (index_t k = 0; k < A.n; ++k)
        for (index_t e = 0; e < width<T>; ++e)
          to[k * (last - first) * width<T> + e] =
              e < lanes ? A.data[(begin + e) * A.row + k * A.column] : T();
    }
  }
}

// Block by block the rows of A: value (k, i) of one is A_(first + i)k, 0 beyond the last row.
template <int MR, class T>
void pack_rows(const kron_factor<T>& A, T* packed) {
  over_rows<MR>(A.m, [&]<int rows>(index_t first, int there) {
    T* const to = packed + first * A.n;
    for (int i = 0; i < rows; ++i)
      for (index_t k = 0; k < A.n; ++k)
        to[k * rows + i] = i < there ? A.data[(first + i) * A.row + k * A.column] : T();
  });
}

// Fetches into L2 the share [begin, end) of `of` of so many values.
template <class T>
PYSOLVE_INLINE void fetch_lines(const T* p, index_t size, index_t begin, index_t end, index_t of) {
  constexpr index_t line = 64 / index_t(sizeof(T));
  const index_t lines = size / line;
  for (index_t i = lines * begin / of; i < lines * end / of; ++i) __builtin_prefetch(p + i * line, 0, 2);
}

// y_ri = sum_k A_ik x_rk for the rows r = (l, r') of x, whose values have the stride `right`.
template <class Shape, class T>
void contract(const T* packed, index_t m, index_t n, index_t left, index_t right, kron_part<const T> x,
              kron_part<T> y) {
  const index_t vectors = n_vectors<T>(m), panels = n_panels(vectors, Shape::NV);
  const index_t n_rows = left * right, size = left * x.block;
  for (index_t p = 0; p < panels; ++p) {
    const index_t first = panel_begin(vectors, Shape::NV, p), last = panel_begin(vectors, Shape::NV, p + 1);
    with_vectors<Shape::NV>(last - first, [&]<int NV>() {
      const packed_vectors<NV, T> columns{packed + first * n * width<T>};
      over_rows<Shape::MR>(n_rows, [&]<int MR>(index_t r, int there) {
        plain_rows<MR, T> rows;
        target<MR, NV, T> c;
        for (int i = 0; i < MR; ++i) {
          const index_t row = r + std::min(i, there - 1), l = right == 1 ? row : row / right;
          rows.row[i] = x.data + l * x.block + (row - l * right);
          c.row[i] = y.data + l * y.block + (row - l * right);
        }
        for (int v = 0; v < NV; ++v) c.begin[v] = vector_begin<T>(first + v, m);
        rows.step = x.stride, c.step = y.stride, c.lanes = std::min(m, width<T>), c.rows = there;
        if (x.far) fetch_lines(x.data + size, size, p * n_rows + r, p * n_rows + r + MR, panels * n_rows);
        if (y.far) fetch_to_write(c);
        Shape::multiply(rows, columns, n, c);
      });
    });
  }
}

template <int NV, class T>
PYSOLVE_CLONES void pack_panel(const plain_vectors<NV, T>& columns, index_t n, T* panel) {
  for (index_t k = 0; k < n; ++k)
    for (int v = 0; v < NV; ++v) {
      const vector<T> here = load_vector(columns.at(v, k));
      std::memcpy(panel + (k * NV + v) * width<T>, &here, sizeof here);
    }
}

// y_ij = sum_k A_ik x_kj, the columns j in vectors; x is packed panel by panel where it is far and used often.
template <class Shape, class T>
void combine(const T* packed, index_t m, index_t n, index_t left, index_t right, kron_part<const T> x,
             kron_part<T> y, T* panel) {
  const index_t vectors = n_vectors<T>(right), panels = n_panels(vectors, Shape::NV);
  const bool packs = x.far && m > 2 * Shape::MR;
  for (index_t l = 0; l < left; ++l)
    for (index_t p = 0; p < panels; ++p) {
      const index_t first = panel_begin(vectors, Shape::NV, p), last = panel_begin(vectors, Shape::NV, p + 1);
      with_vectors<Shape::NV>(last - first, [&]<int NV>() {
        plain_vectors<NV, T> columns;
        target<Shape::MR, NV, T> whole;
        for (int v = 0; v < NV; ++v) {
          whole.begin[v] = vector_begin<T>(first + v, right);
          columns.begin[v] = x.data + l * x.block + whole.begin[v];
        }
        columns.step = x.stride;
        if (packs) {
          pack_panel(columns, n, panel);
          for (int v = 0; v < NV; ++v) columns.begin[v] = panel + v * width<T>;
          columns.step = NV * width<T>;
        }
        over_rows<Shape::MR>(m, [&]<int MR>(index_t i, int there) {
          target<MR, NV, T> c;
          for (int row = 0; row < MR; ++row) c.row[row] = y.data + l * y.block + (i + row) * y.stride;
          for (int v = 0; v < NV; ++v) c.begin[v] = whole.begin[v];
          c.step = 1, c.lanes = width<T>, c.rows = there;
          if (packs)
            for (index_t k = n * i / m; k < n * std::min(i + MR, m) / m; ++k)
              for (int v = 0; v < NV; ++v)
                __builtin_prefetch(x.data + l * x.block + k * x.stride + whole.begin[v] + NV * width<T>, 0,
                                   2);
          if (y.far) fetch_to_write(c);
          Shape::multiply(packed_rows<MR, T>{packed + i * n}, columns, n, c);
        });
      });
    }
}

template <class Shape, class T>
void mode(const T* packed, index_t m, index_t n, bool combines, index_t left, index_t right,
          kron_part<const T> x, kron_part<T> y, T* panel) {
  if (combines)
    combine<Shape>(packed, m, n, left, right, x, y, panel);
  else
    contract<Shape>(packed, m, n, left, right, x, y);
}

}  // namespace

template <class T>
index_t kron_packed_size(index_t m, index_t n) {
  return std::max(n_vectors<T>(m) * width<T>, padded_rows<wide_tile::MR>(m)) * n;
}

template <class T>
index_t kron_panel_size(index_t n) {
  return wide_tile::NV * width<T> * n;
}

template <class T>
void kron_pack(const kron_factor<T>& A, bool combines, T* packed) {
  const bool wide = has_wide_registers();
  if (combines)
    wide ? pack_rows<wide_tile::MR>(A, packed) : pack_rows<narrow_tile::MR>(A, packed);
  else
    wide ? pack_columns<wide_tile::NV>(A, packed) : pack_columns<narrow_tile::NV>(A, packed);
}

template <class T>
void kron_mode(const T* packed, index_t m, index_t n, bool combines, index_t left, index_t right,
               kron_part<const T> x, kron_part<T> y, T* panel) {
  if (has_wide_registers())
    mode<wide_tile>(packed, m, n, combines, left, right, x, y, panel);
  else
    mode<narrow_tile>(packed, m, n, combines, left, right, x, y, panel);
}

#define PYSOLVE_INSTANTIATE(T)                                                                    \
  template index_t kron_packed_size<T>(index_t, index_t);                                         \
  template index_t kron_panel_size<T>(index_t);                                                   \
  template void kron_pack(const kron_factor<T>&, bool, T*);                                       \
  template void kron_mode(const T*, index_t, index_t, bool, index_t, index_t, kron_part<const T>, \
                          kron_part<T>, T*);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
