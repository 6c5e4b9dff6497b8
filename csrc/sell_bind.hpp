// The view of a packed matrix, from its arrays.
#pragma once
#include "bind.hpp"
#include "sell.hpp"

namespace pysolve::bind {

// sell<T> from its four arrays.
template <class T>
sell<T> view_sell(py::handle slice_ptr, py::handle column, py::handle indices, py::handle data,
                  index_t n_rows, index_t n_cols) {
  const vec<const index_t> p = view<const index_t>(slice_ptr, "slice_ptr");
  const vec<const std::int32_t> c = view<const std::int32_t>(column, "column");
  const vec<const T> d = view<const T>(data, "data", c.size * PYSOLVE_BACKEND::sell_rows);
  if (p.size != (n_rows + PYSOLVE_BACKEND::sell_rows - 1) / PYSOLVE_BACKEND::sell_rows + 1)
    throw py::value_error("slice_ptr does not fit n_rows = " + std::to_string(n_rows));
  const vec<const std::int32_t> j = view<const std::int32_t>(indices, "indices");
  return {n_rows, n_cols, p.size - 1, p.data, c.data, j.data, d.data};
}

}  // namespace pysolve::bind
