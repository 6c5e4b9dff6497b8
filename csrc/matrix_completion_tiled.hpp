// The half step of matrix_completion.hpp with the columns in tiles that stay in L2, no panel gathered.
#pragma once
#include "matrix_completion_steps.hpp"

namespace pysolve::cpu {

// Columns of a tile; all of them where V is small; 0 where rows have too few entries in a tile.
index_t tile_columns(index_t n_rows, index_t n_cols, index_t n_entries, index_t ld, index_t bytes);

// The half step, but for rows of more than `limit` entries. Each line of V comes from L3 once a pass for 64 rows of U, and
// from L2 once for each entry: 3 N k values for 2 steps, in as many flops as the half step with a panel.
template <class T>
completion_sums tiled_half_step(const observed<T>& A, const T* V, T* U, const row_steps<T>& how,
                                float* shrunk, index_t limit, index_t tile, int threads);

// The gradient of matrix_completion.hpp; bytes and flops as there, V from L2.
template <class T>
completion_sums tiled_gradient(const observed<T>& A, const T* V, const T* U, T* out, index_t ld, index_t tile,
                               int threads);

}  // namespace pysolve::cpu
