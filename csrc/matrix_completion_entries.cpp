// Entries sorted by row or by column: a counting sort that moves what belongs to an entry with it.
#include <vector>

#include "matrix_completion.hpp"

namespace pysolve::cpu {

index_t matrix_completion_sort(const std::int32_t* keys, index_t n_entries, index_t n_keys,
                               const std::int32_t* others, const double* values, const double* weights,
                               index_t* begin, std::int32_t* sorted_others, double* sorted_values,
                               double* sorted_weights) {
  for (index_t i = 0; i <= n_keys; ++i) begin[i] = 0;
  for (index_t e = 0; e < n_entries; ++e) {
    if (keys[e] < 0 || keys[e] >= n_keys) return e;
    ++begin[keys[e] + 1];
  }
  for (index_t i = 0; i < n_keys; ++i) begin[i + 1] += begin[i];
  std::vector<index_t> next(begin, begin + n_keys);
  for (index_t e = 0; e < n_entries; ++e) {
    const index_t to = next[std::size_t(keys[e])]++;
    sorted_others[to] = others[e];
    sorted_values[to] = values[e];
    if (weights) sorted_weights[to] = weights[e];
  }
  return -1;
}

}  // namespace pysolve::cpu
