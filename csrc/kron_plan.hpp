// How a Kronecker product is cut so that x is read once, y written once, and what lies between stays in the caches.
//
// Two phases. First the modes [split, d), for a group of leading indices at a time; then the modes [0, split), for a
// range of trailing values at a time. Either may have all the modes. Between them are leading x trailing values.
#pragma once
#include "kron_modes.hpp"
#include "kron_sizes.hpp"

namespace pysolve::cpu {

constexpr index_t kron_far_bytes = 3 << 20;         // of all of x or y: what is larger is fetched ahead
constexpr index_t kron_near_bytes = 192 << 10;      // a part of x with what is made of it is in L2

struct kron_plan {
  std::size_t split = 0;
  index_t leading = 1;   // prod n_j, j < split
  index_t trailing = 1;  // prod m_j, j >= split, times the columns
  index_t pitch = 0;     // values from one leading index to the next between the phases
  bool far = false;      // x and y are larger than that
  index_t group = 1, range = 1;
  index_t packed = 0, middle = 0;  // values of all packed factors, and between the phases
  index_t buffer = 0, panel = 0;   // values between two modes, and of what a mode packs
  double flops = 0;
  index_t n_ranges() const { return std::max<index_t>(1, trailing / range); }
  index_t range_begin(index_t b) const { return b == n_ranges() ? trailing : b * range; }
};

// Values in steps of a cache line.
template <class T>
constexpr index_t in_lines(index_t size) {
  constexpr index_t line = 64 / index_t(sizeof(T));
  return (size + line - 1) / line * line;
}

// One phase where its parts stay near, else the split whose larger part is the least.
template <class T>
std::size_t kron_split(const kron_sizes& sizes) {
  constexpr index_t near = kron_near_bytes / index_t(sizeof(T)), least = 4 * kron_tile::width<T>;
  const std::size_t d = sizes.d;
  if (sizes.of_leading(0, 0, d) <= near) return 0;
  if (sizes.after[d] >= least && least * sizes.of_trailing(d, 0, d) <= near) return d;
  std::size_t best = 0;
  index_t least_part = sizes.of_leading(0, 0, d);
  for (std::size_t split = 1; split <= d; ++split) {
    if (sizes.after[split] < least) break;
    const index_t part =
        std::max(sizes.of_leading(split, split, d), least * sizes.of_trailing(split, 0, split));
    if (part < least_part) best = split, least_part = part;
  }
  return best;
}

template <class T>
kron_plan plan_kron(const std::vector<kron_factor<T>>& factors, const kron_sizes& sizes) {
  constexpr index_t near = kron_near_bytes / index_t(sizeof(T)), least = 4 * kron_tile::width<T>;
  const std::size_t d = sizes.d;
  kron_plan plan;
  const std::size_t s = plan.split = kron_split<T>(sizes);
  plan.leading = sizes.before[s], plan.trailing = sizes.after[s];
  plan.group = std::clamp<index_t>(near / sizes.of_leading(s, s, d), 1, plan.leading);
  if (plan.group > 8) plan.group -= plan.group % 8;
  plan.range = std::clamp<index_t>(near / sizes.of_trailing(s, 0, s) / least * least, least, 16 * least);
  plan.far = std::max(plan.leading, sizes.of_trailing(s, 0, s)) * plan.trailing >
             kron_far_bytes / index_t(sizeof(T));
  // Not a multiple of the page: the lines of a range would all have the same few places in the caches.
  plan.pitch = s == d ? plan.trailing : in_lines<T>(plan.trailing) + kron_tile::width<T>;
  if (s > 0 && s < d) plan.middle = plan.leading * plan.pitch;
  if (s + 1 < d) plan.buffer = in_lines<T>(plan.group * sizes.of_leading(s, s + 1, d - 1));
  if (s > 1)
    plan.buffer = std::max(
        plan.buffer, in_lines<T>(std::min(plan.trailing, 2 * plan.range) * sizes.of_trailing(s, 1, s - 1)));
  for (std::size_t j = 0; j < d; ++j) {
    plan.packed += in_lines<T>(kron_packed_size<T>(factors[j].m, factors[j].n));
    plan.panel = std::max(plan.panel, in_lines<T>(kron_panel_size<T>(factors[j].n)));
    plan.flops += 2.0 * double(factors[j].m) * double(sizes.before[j + 1]) * double(sizes.after[j + 1]);
  }
  return plan;
}

}  // namespace pysolve::cpu
