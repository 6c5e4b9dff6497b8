// The half step with the columns in tiles, where the rows have enough entries in one.
#include "matrix_completion_tiled.hpp"

#include "matrix_completion_share.hpp"
#include "matrix_completion_wide.hpp"

namespace pysolve::cpu {
namespace {

using tiled::rows_at_once;

template <class T>
struct tiled_work {
  std::vector<tiled::tile_row<T>> rows;
  std::vector<index_t> next;  // a row's first entry in the tile
  std::vector<row_progress> at;
  std::vector<double> sums_of_row;
  scratch<T> zeros, sums;
  scratch<float> narrow_zeros, vectors;
  explicit tiled_work(index_t ld)
      : rows(rows_at_once),
        next(rows_at_once),
        at(rows_at_once),
        sums_of_row(rows_at_once),
        zeros(ld),
        sums(rows_at_once * ld),
        narrow_zeros(ld),
        vectors(rows_at_once * 4 * ld) {
    std::fill_n(zeros.get(), ld, T());
    std::fill_n(narrow_zeros.get(), ld, 0.0f);
  }
};

// f(r, e, end) for the entries of each row in each tile, tile after tile.
template <class T, class F>
PYSOLVE_INLINE void over_tiles(tiled_work<T>& work, index_t count, index_t n_cols, index_t tile, F f) {
  std::fill_n(work.next.data(), count, index_t(0));
  for (index_t c = 0; c < n_cols; c += tile)
    for (index_t r = 0; r < count; ++r) {
      const index_t e = work.next[std::size_t(r)];
      const index_t end = tiled::end_of_tile(work.rows[std::size_t(r)], e, c + tile, c + tile >= n_cols);
      work.next[std::size_t(r)] = end;
      if (e < end) f(r, e, end);
    }
}

template <class T>
PYSOLVE_INLINE void look_at_rows(const observed<T>& A, index_t begin, index_t end, index_t limit,
                                 tiled_work<T>& work, completion_sums& sums, bool* skip) {
  for (index_t i = begin; i < end; ++i) {
    const index_t first = A.begin[i], d = A.end[i] - first;
    const bool good = panel::within(A.indices + first, d, A.n_cols);
    if (!good && sums.fault < 0) sums.fault = i;
    skip[i - begin] = !good || d > limit;
    work.rows[std::size_t(i - begin)] = {A.indices + first, A.values + first,
                                         A.weights ? A.weights + first : nullptr, skip[i - begin] ? 0 : d,
                                         A.n_entries - first};
  }
}

// Rows [begin, end) of U, rows_at_once at most.
template <int W, class T>
PYSOLVE_CLONES completion_sums tiled_rows(const observed<T>& A, const T* V, const float* narrow_V, T* U,
                                          const row_steps<T>& how, float* shrunk, index_t begin, index_t end,
                                          index_t limit, index_t tile, tiled_work<T>& work) {
  const index_t ld = how.ld, count = end - begin;
  completion_sums found;
  bool skip[rows_at_once];
  look_at_rows(A, begin, end, limit, work, found, skip);
  T* const sums = work.sums.get();
  std::fill_n(sums, count * ld, T());
  over_tiles(work, count, A.n_cols, tile, [&](index_t r, index_t e, index_t e_end) PYSOLVE_LAMBDA {
    found.squares += tiled::first_pass<W>(work.rows[std::size_t(r)], V, ld, U + (begin + r) * ld, e, e_end,
                                          work.zeros.get(), sums + r * ld);
  });
  for (index_t r = 0; r < count; ++r) {
    row_progress& at = work.at[std::size_t(r)];
    at = {};
    if (!skip[r]) at = start_steps(how, sums + r * ld, U + (begin + r) * ld, work.vectors.get() + r * 4 * ld);
  }
  for (int step = 1; step <= how.n_cg; ++step) {
    const bool last = step == how.n_cg;
    std::fill_n(work.sums_of_row.data(), count, 0.0);
    for (index_t r = 0; r < count; ++r) std::fill_n(work.vectors.get() + (r * 4 + 2) * ld, ld, 0.0f);
    over_tiles(work, count, A.n_cols, tile, [&](index_t r, index_t e, index_t e_end) PYSOLVE_LAMBDA {
      float *const p = work.vectors.get() + (r * 4 + 1) * ld, *const s = p + ld;
      const row_progress& at = work.at[std::size_t(r)];
      if (!at.running || is_foreseen(how, at, last)) return;
      const tiled::tile_row<T>& row = work.rows[std::size_t(r)];
      const float* const zeros = work.narrow_zeros.get();
      work.sums_of_row[std::size_t(r)] +=
          last ? tiled::product<W, false>(row, narrow_V, ld, p, e, e_end, zeros, s)
               : tiled::product<W, true>(row, narrow_V, ld, p, e, e_end, zeros, s);
    });
    for (index_t r = 0; r < count; ++r)
      if (work.at[std::size_t(r)].running)
        advance(how, float(work.sums_of_row[std::size_t(r)]), last, work.vectors.get() + r * 4 * ld,
                work.at[std::size_t(r)]);
  }
  for (index_t r = 0; r < count; ++r) {
    if (skip[r]) continue;
    const float factor =
        finish_steps(how, work.at[std::size_t(r)], work.vectors.get() + r * 4 * ld, U + (begin + r) * ld);
    if (shrunk) shrunk[begin + r] = factor;
  }
  return found;
}

// out_i = sum_e w_e (y_e - u_i.v_e) v_e for rows [begin, end), rows_at_once at most; U null: 0.
template <int W, class T>
PYSOLVE_CLONES completion_sums tiled_gradient_rows(const observed<T>& A, const T* V, const T* U, T* out,
                                                   index_t ld, index_t begin, index_t end, index_t tile,
                                                   tiled_work<T>& work) {
  completion_sums found;
  bool skip[rows_at_once];
  look_at_rows(A, begin, end, A.n_entries, work, found, skip);
  for (index_t r = 0; r < end - begin; ++r)
    if (!skip[r]) std::fill_n(out + (begin + r) * ld, ld, T());
  over_tiles(work, end - begin, A.n_cols, tile, [&](index_t r, index_t e, index_t e_end) PYSOLVE_LAMBDA {
    found.squares +=
        tiled::first_pass<W>(work.rows[std::size_t(r)], V, ld, U ? U + (begin + r) * ld : work.zeros.get(), e,
                             e_end, work.zeros.get(), out + (begin + r) * ld);
  });
  return found;
}

// f(begin, end, work) for rows, rows_at_once at a time, the sums joined in their order.
template <class T, class F>
completion_sums over_row_blocks(const observed<T>& A, index_t ld, int threads, F&& f) {
  const index_t count = (A.n_rows + rows_at_once - 1) / rows_at_once;
  std::vector<completion_sums> parts(std::size_t(std::max<index_t>(count, 0)));
  std::vector<tiled_work<T>> works;
  for (int t = 0; t < std::min<index_t>(threads, std::max<index_t>(count, 1)); ++t) works.emplace_back(ld);
  std::atomic<index_t> next{0};
  parallel_team(int(works.size()), [&](int thread, int) {
    for (index_t b = next++; b < count; b = next++)
      parts[std::size_t(b)] =
          f(b * rows_at_once, std::min(A.n_rows, (b + 1) * rows_at_once), works[std::size_t(thread)]);
  });
  return joined(parts);
}

template <int W, class T>
completion_sums tiled_half_step_of(const observed<T>& A, const T* V, T* U, const row_steps<T>& how,
                                   float* shrunk, index_t limit, index_t tile, int threads) {
  scratch<float> narrow(std::is_same_v<T, float> ? 0 : A.n_cols * how.ld);
  const float* narrow_V = narrow.get();
  if constexpr (std::is_same_v<T, float>)
    narrow_V = V;
  else
    for (index_t c = 0; c < A.n_cols * how.ld; ++c) narrow.get()[c] = float(V[c]);
  return over_row_blocks(A, how.ld, threads, [&](index_t begin, index_t end, tiled_work<T>& work) {
    return tiled_rows<W>(A, V, narrow_V, U, how, shrunk, begin, end, limit, tile, work);
  });
}

// f.template operator()<W>() with the stride over 8 that is known when compiled, or 0.
template <class F>
completion_sums with_stride(index_t ld, F&& f) {
  switch (ld / 8) {
    case 3:
      return f.template operator()<3>();
    case 4:
      return f.template operator()<4>();
    case 5:
      return f.template operator()<5>();
    case 6:
      return f.template operator()<6>();
    case 7:
      return f.template operator()<7>();
    case 8:
      return f.template operator()<8>();
    case 9:
      return f.template operator()<9>();
    case 10:
      return f.template operator()<10>();
    case 11:
      return f.template operator()<11>();
    case 12:
      return f.template operator()<12>();
    case 13:
      return f.template operator()<13>();
    case 14:
      return f.template operator()<14>();
    case 15:
      return f.template operator()<15>();
    case 16:
      return f.template operator()<16>();
    default:
      return f.template operator()<0>();
  }
}

}  // namespace

index_t tile_columns(index_t n_rows, index_t n_cols, index_t n_entries, index_t ld, index_t bytes) {
  const index_t columns = std::max<index_t>(64, tiled::tile_bytes / (ld * bytes));
  if (columns >= n_cols) return n_cols;
  const index_t tiles = (n_cols + columns - 1) / columns;
  return n_entries / std::max<index_t>(n_rows, 1) >= tiled::least_entries * tiles ? columns : 0;
}

template <class T>
completion_sums tiled_half_step(const observed<T>& A, const T* V, T* U, const row_steps<T>& how,
                                float* shrunk, index_t limit, index_t tile, int threads) {
  return with_stride(
      how.ld, [&]<int W>() { return tiled_half_step_of<W>(A, V, U, how, shrunk, limit, tile, threads); });
}

template <class T>
completion_sums tiled_gradient(const observed<T>& A, const T* V, const T* U, T* out, index_t ld, index_t tile,
                               int threads) {
  return with_stride(ld, [&]<int W>() {
    return over_row_blocks(A, ld, threads, [&](index_t begin, index_t end, tiled_work<T>& work) {
      return tiled_gradient_rows<W>(A, V, U, out, ld, begin, end, tile, work);
    });
  });
}

#define PYSOLVE_INSTANTIATE(T)                                                                            \
  template completion_sums tiled_half_step(const observed<T>&, const T*, T*, const row_steps<T>&, float*, \
                                           index_t, index_t, int);                                        \
  template completion_sums tiled_gradient(const observed<T>&, const T*, const T*, T*, index_t, index_t, int);
PYSOLVE_INSTANTIATE(float)
PYSOLVE_INSTANTIATE(double)

}  // namespace pysolve::cpu
