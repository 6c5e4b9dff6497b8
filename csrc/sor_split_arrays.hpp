// The memory of a sor_split on its device. Included by .cu files, after the queue that they launch with.
#pragma once
#include "sor_device_split.hpp"
#include "sor_split_body.hpp"

namespace pysolve::cuda {

template <class T>
struct triangle_arrays {
  kept<std::uint32_t> start, source;
  kept<std::int32_t> column;
  kept<T> value;
  triangle_view<T> view() const { return {start.data(), column.data(), value.data(), source.data()}; }
  index_t bytes() const { return start.bytes() + source.bytes() + column.bytes() + value.bytes(); }
};

template <class T>
struct split_arrays {
  using D = device_t<T>;
  triangle_arrays<D> lower, upper;
  kept<real_t<T>> diagonal;
  kept<std::uint32_t> diagonal_source, pairs, alone;
  kept<std::int32_t> row, level_begin;
  kept<std::uint32_t> indptr, indices;  // the pattern as it was given, of whichever width
  index_t index_width = 0, n_pairs = 0, n_alone = 0;
  int lanes = 1;
  split_view<D> view(index_t n) const {
    return {n,          lower.view(),       upper.view(), diagonal.data(), diagonal_source.data(),
            row.data(), level_begin.data(), lanes};
  }
  index_t bytes() const {
    return lower.bytes() + upper.bytes() + diagonal.bytes() + diagonal_source.bytes() + pairs.bytes() +
           alone.bytes() + row.bytes() + level_begin.bytes() + indptr.bytes() + indices.bytes();
  }
};

}  // namespace pysolve::cuda
