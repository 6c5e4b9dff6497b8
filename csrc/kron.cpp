#include "kron.hpp"

#include <memory>

#include "instantiate.hpp"
#include "kron_plan.hpp"
#include "parallel.hpp"

namespace pysolve::cpu {
namespace {

// A thread pays for as many flops as it could move bytes in their time.
int threads_for(double flops) { return n_threads(index_t(std::min(flops / 3, 1e18))); }

template <class T>
T* at_line(T* p) {
  return reinterpret_cast<T*>((reinterpret_cast<std::uintptr_t>(p) + 63) / 64 * 64);
}

// The packed factors and the plan by which they are applied.
template <class T>
struct kron_chain {
  const std::vector<kron_factor<T>>& factors;
  const kron_sizes& sizes;
  const kron_plan& plan;
  std::array<const T*, kron_most_factors> packed;

  bool combines(std::size_t j) const {
    return kron_combines<T>(j < plan.split ? plan.trailing : sizes.after[j + 1]);
  }
  T* pack(T* to) {
    for (std::size_t j = 0; j < factors.size(); ++j) {
      kron_pack(factors[j], combines(j), to);
      packed[j] = to;
      to += in_lines<T>(kron_packed_size<T>(factors[j].m, factors[j].n));
    }
    return to;
  }
  void mode(std::size_t j, index_t left, index_t right, kron_part<const T> x, kron_part<T> y,
            T* panel) const {
    kron_mode(packed[j], factors[j].m, factors[j].n, combines(j), left, right, x, y, panel);
  }

  // Modes [split, d) for the leading indices [begin, end).
  void first_phase(const T* x, T* y, index_t begin, index_t end, T* scratch) const {
    const std::size_t s = plan.split, d = factors.size();
    const index_t given = sizes.before[d] / plan.leading * sizes.after[d], pitch = s == 0 ? 0 : plan.pitch;
    for (index_t l = begin; l < end; l += plan.group) {
      const index_t group = std::min(plan.group, end - l);
      kron_part<const T> from{x + l * given, 0, 0, plan.far};
      for (std::size_t j = d; j-- > s;) {
        const index_t right = sizes.after[j + 1], block = sizes.after[j];
        from.block = factors[j].n * right, from.stride = right;
        const kron_part<T> to = j == s ? kron_part<T>{y + l * pitch, pitch, right, plan.far}
                                       : kron_part<T>{scratch + index_t(j % 2) * plan.buffer, block, right};
        mode(j, group * (sizes.before[j] / plan.leading), right, from, to, scratch + 2 * plan.buffer);
        from.data = to.data, from.far = false;
      }
    }
  }

  // Modes [0, split) for the ranges [begin, end) of trailing values. Of what lies after a mode each q is taken by itself:
  // x is read, and y written, in rows of a range.
  void second_phase(const T* x, T* y, index_t begin, index_t end, T* scratch) const {
    for (index_t b = begin; b < end; ++b) {
      const index_t first = plan.range_begin(b), range = plan.range_begin(b + 1) - first;
      kron_part<const T> from{x + first, 0, plan.pitch, plan.far};
      for (std::size_t j = plan.split; j-- > 0;) {
        const index_t n_q = sizes.after[j + 1] / plan.trailing, n = factors[j].n * n_q,
                      m = factors[j].m * n_q;
        const kron_part<T> to = j == 0 ? kron_part<T>{y + first, 0, plan.trailing, plan.far}
                                       : kron_part<T>{scratch + index_t(j % 2) * plan.buffer, 0, range};
        for (index_t q = 0; q < n_q; ++q)
          mode(j, sizes.before[j], range,
               {from.data + q * from.stride, n * from.stride, n_q * from.stride, from.far},
               {to.data + q * to.stride, m * to.stride, n_q * to.stride, to.far}, scratch + 2 * plan.buffer);
        from = {to.data, 0, range, false};
      }
    }
  }
};

}  // namespace

template <class T>
void kron_mode_product(const kron_factor<T>& A, index_t left, index_t right, const T* x, T* y) {
  const index_t n = A.n, m = A.m;
  if (left == 0 || m == 0 || right == 0) return;
  if (n == 0) return void(std::fill_n(y, left * m * right, T()));
  const bool combines = kron_combines<T>(right);
  const int threads = threads_for(2.0 * double(m) * double(n) * double(left) * double(right));
  const index_t packed_size = in_lines<T>(kron_packed_size<T>(m, n)),
                panel = in_lines<T>(kron_panel_size<T>(n));
  const std::unique_ptr<T[]> memory(new T[std::size_t(packed_size + threads * panel) + 64]);
  T *const packed = at_line(memory.get()), *const panels = packed + packed_size;
  kron_pack(A, combines, packed);
  // Cut the values after the mode where they are many, else those before it.
  constexpr index_t least = 4 * kron_tile::width<T>;
  const index_t near = std::max<index_t>(1, kron_near_bytes / index_t(sizeof(T)) / std::max(m, n));
  const index_t range = std::clamp<index_t>(near / least * least, least, 16 * least);
  const bool far = left * std::max(m, n) * right > kron_far_bytes / index_t(sizeof(T));
  const index_t ranges = std::max<index_t>(1, right / range), group = std::max<index_t>(1, near / right);
  const index_t groups = (left + group - 1) / group;
  parallel_team(int(std::min<index_t>(threads, groups * ranges)), [&](int thread, int team) {
    const index_t last = first_block(groups * ranges, thread + 1, team);
    for (index_t b = first_block(groups * ranges, thread, team); b < last; ++b) {
      const index_t l = b / ranges * group, r = b % ranges * range;
      const index_t width = b % ranges == ranges - 1 ? right - r : range;
      kron_mode(packed, m, n, combines, std::min(group, left - l), width,
                {x + l * n * right + r, n * right, right, far},
                {y + l * m * right + r, m * right, right, far}, panels + thread * panel);
    }
  });
}

template <class T>
index_t kron_work_size(const std::vector<kron_factor<T>>& factors, index_t columns, int threads) {
  const kron_sizes sizes(factors, columns);
  if (sizes.empty()) return 0;
  if (sizes.largest(factors) >= kron_largest / 64) return -1;
  const kron_plan plan = plan_kron(factors, sizes);
  threads = std::max(1, std::min(threads, threads_for(plan.flops)));
  return 64 / index_t(sizeof(T)) + plan.packed + plan.middle + threads * (2 * plan.buffer + plan.panel);
}

template <class T>
void kron_matvec(const std::vector<kron_factor<T>>& factors, index_t columns, const T* x, T* y, T* work,
                 index_t n_work) {
  const kron_sizes sizes(factors, columns);
  if (sizes.empty()) return void(std::fill_n(y, sizes.after[0], T()));
  const kron_plan plan = plan_kron(factors, sizes);
  kron_chain<T> chain{factors, sizes, plan, {}};
  T* const middle = chain.pack(at_line(work));
  T* const scratch = middle + plan.middle;
  const index_t of_thread = 2 * plan.buffer + plan.panel;
  const int threads = int(std::min<index_t>(threads_for(plan.flops), (work + n_work - scratch) / of_thread));
  const std::size_t s = plan.split, d = factors.size();
  const T* between = s == d ? x : middle;
  if (s < d)
    parallel_team(threads, [&](int thread, int team) {
      chain.first_phase(x, s == 0 ? y : middle, first_block(plan.leading, thread, team),
                        first_block(plan.leading, thread + 1, team), scratch + thread * of_thread);
    });
  if (s > 0)
    parallel_team(threads, [&](int thread, int team) {
      chain.second_phase(between, y, first_block(plan.n_ranges(), thread, team),
                         first_block(plan.n_ranges(), thread + 1, team), scratch + thread * of_thread);
    });
}

#define PYSOLVE_INSTANTIATE(T)                                                            \
  template void kron_mode_product(const kron_factor<T>&, index_t, index_t, const T*, T*); \
  template index_t kron_work_size(const std::vector<kron_factor<T>>&, index_t, int);      \
  template void kron_matvec(const std::vector<kron_factor<T>>&, index_t, const T*, T*, T*, index_t);
PYSOLVE_FOR_REAL(PYSOLVE_INSTANTIATE)

}  // namespace pysolve::cpu
