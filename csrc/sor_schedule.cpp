// Orders of the rows: levels within blocks for the natural order, colours for the other.
#include "instantiate.hpp"
#include "sor_split.hpp"

namespace pysolve::cpu {
namespace {

// A block ends when its levels have this many rows on average: enough independent rows to hide the latency of one and
// to make what it reads of the block before it few, yet a small part of the levels that threads can follow each other
// through: the second can start when the first is as many levels ahead as the block has lines.
constexpr index_t level_width = 10, least_block = 2048;

}  // namespace

template <class I>
row_levels natural_levels(index_t n, const I* indptr, const I* indices) {
  row_levels found;
  found.level = buffer<std::int32_t>(n);
  std::int32_t* level = found.level.get();
  std::fill(level, level + n, 0);
  std::int32_t base = 0, top = -1;  // levels of the block so far
  index_t begin = 0;
  found.block_level.push_back(0);
  for (index_t i = 0; i < n; ++i) {
    std::int32_t own = std::max(base, level[i]);
    index_t k = indptr[i];
    const index_t end = indptr[i + 1];
    for (; k < end && indices[k] < i; ++k) own = std::max(own, level[indices[k]] + 1);
    level[i] = own;
    for (; k < end; ++k) {
      const index_t j = indices[k];
      if (j > i) level[j] = std::max(level[j], own + 1);
    }
    top = std::max(top, own);
    const index_t rows = i + 1 - begin;
    if (rows >= least_block && rows >= level_width * (top + 1 - base) && i + 1 < n) {
      base = top + 1;
      begin = i + 1;
      found.block_level.push_back(base);
    }
  }
  found.n_levels = top + 1;
  return found;
}

template <class I>
row_levels color_levels(index_t n, const I* indptr, const I* indices) {
  row_levels found;
  index_t bandwidth = 0;
  found.level = greedy_colors(pattern<I>{n, indptr, indices}, found.n_colors, bandwidth);
  const index_t rows = std::max(least_block, bandwidth);
  index_t n_blocks = (n + rows - 1) / rows;
  if (n_blocks <= 2 * found.n_colors)
    n_blocks = 1;  // one block behind the other would keep nothing in the cache
  // Colour c of block b comes at step b + c: after the lower colours of block b + 1 too.
  const index_t size = n_blocks == 1 ? n : rows;
  const index_t n_steps = n_blocks + found.n_colors - 1;
  for (index_t i = 0; i < n; ++i)
    found.level[i] = std::int32_t(
        n_blocks == 1 ? found.level[i] : (i / size + found.level[i]) * found.n_colors + found.level[i]);
  found.n_levels = n_blocks == 1 ? found.n_colors : n_steps * found.n_colors;
  const index_t per_block = n_blocks == 1 ? 1 : found.n_colors;
  for (index_t level = 0; level < found.n_levels; level += per_block)
    found.block_level.push_back(std::int32_t(level));
  if (found.block_level.empty()) found.block_level.push_back(0);
  return found;
}

#define PYSOLVE_INSTANTIATE(I)                                     \
  template row_levels natural_levels(index_t, const I*, const I*); \
  template row_levels color_levels(index_t, const I*, const I*);
PYSOLVE_INSTANTIATE(std::int32_t)
PYSOLVE_INSTANTIATE(std::int64_t)

}  // namespace pysolve::cpu
