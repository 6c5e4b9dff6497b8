// How large what the modes of a Kronecker product make of x is, for the plans of both backends.
#pragma once
#include <algorithm>
#include <array>
#include <vector>

#include "kron.hpp"

namespace pysolve::PYSOLVE_BACKEND {

constexpr std::size_t kron_most_factors = 64;
constexpr index_t kron_largest = index_t(1) << 60;  // what is larger is not told apart

inline index_t kron_times(index_t a, index_t b) {
  index_t product;
  return __builtin_mul_overflow(a, b, &product) ? kron_largest : std::min(product, kron_largest);
}

// What the modes make of x, one after the other: before[j] = prod_{i<j} n_i, after[j] = columns prod_{i>=j} m_i, and
// before[j] after[j] values when the modes from j on are done.
struct kron_sizes {
  std::array<index_t, kron_most_factors + 1> before, after;
  std::size_t d;

  template <class T>
  kron_sizes(const std::vector<kron_factor<T>>& factors, index_t columns) : d(factors.size()) {
    before[0] = 1, after[d] = columns;
    for (std::size_t j = 0; j < d; ++j) before[j + 1] = kron_times(before[j], factors[j].n);
    for (std::size_t j = d; j-- > 0;) after[j] = kron_times(after[j + 1], factors[j].m);
  }
  bool empty() const { return before[d] == 0 || after[0] == 0 || after[d] == 0; }
  template <class T>
  index_t largest(const std::vector<kron_factor<T>>& factors) const {
    index_t most = 0;
    for (const auto& A : factors) most = std::max(most, kron_times(A.m, A.n));
    for (std::size_t j = 0; j <= d; ++j) most = std::max(most, kron_times(before[j], after[j]));
    return most;
  }
  // Most values after any of the modes [first, last], for one leading index; for one trailing value of `split`.
  index_t of_leading(std::size_t split, std::size_t first, std::size_t last) const {
    index_t most = 0;
    for (std::size_t j = first; j <= last; ++j) most = std::max(most, before[j] / before[split] * after[j]);
    return most;
  }
  index_t of_trailing(std::size_t split, std::size_t first, std::size_t last) const {
    index_t most = 0;
    for (std::size_t j = first; j <= last; ++j) most = std::max(most, before[j] * (after[j] / after[split]));
    return most;
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
