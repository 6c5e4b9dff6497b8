// CUDA kernels of kron: the launches of a product, in passes through memory (kron_passes.hpp), each by one of two kernels:
// several modes with small factors (kron_fused_body.hpp), or one with any factor (kron_mode_body.hpp).
#pragma once
#include "kron_passes.hpp"

namespace pysolve::PYSOLVE_BACKEND {

// y = 0: sums over nothing.
template <class T>
struct kron_zero_body {
  T* y;
  index_t size;
  PYSOLVE_BODY index_t n_blocks() const { return blocks_for(size, block_threads); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    over_elements(at, size, [&](index_t i) { y[i] = T(); });
  }
};

template <class Queue, class T>
void run_kron_pass(Queue& queue, kron_span<T> span, const T* x, T* y) {
  if (span.fits_at_all()) {
    span.choose();
    queue.run(fuse(span, x, y));
  } else {
    queue.run(mode_of(span.factors[span.first], span.left, span.right, x, y));
  }
}

template <class Queue, class T>
void run_kron_mode_product(Queue& queue, const kron_factor<T>& A, index_t left, index_t right, const T* x, T* y) {
  if (left == 0 || A.m == 0 || right == 0) return;
  if (A.n == 0) return queue.run(kron_zero_body<T>{y, left * A.m * right});
  run_kron_pass(queue, kron_span<T>{{A}, 0, 1, left, right}, x, y);
}

// Values of both buffers between the passes: what the passes make goes to them in turns, and the last into y.
template <class T>
std::array<index_t, 2> kron_between(const std::vector<kron_factor<T>>& factors, const kron_sizes& sizes) {
  std::array<index_t, 2> between{0, 0};
  const auto ends = kron_passes(factors, sizes);
  for (std::size_t p = 0; p + 1 < ends.size(); ++p) {
    const index_t made = sizes.before[ends[p + 1]] * sizes.after[ends[p + 1]];
    between[p % 2] = std::max(between[p % 2], (made + 15) / 16 * 16);
  }
  return between;
}

template <class Queue, class T>
void run_kron_matvec(Queue& queue, const std::vector<kron_factor<T>>& factors, index_t columns, const T* x, T* y,
                     T* work) {
  const kron_sizes sizes(factors, columns);
  if (sizes.empty()) {
    if (sizes.after[0] > 0) queue.run(kron_zero_body<T>{y, sizes.after[0]});
    return;
  }
  const auto ends = kron_passes(factors, sizes);
  T* const buffers[2] = {work, work + kron_between(factors, sizes)[0]};
  for (std::size_t p = 0; p < ends.size(); ++p) {
    const std::size_t first = p + 1 < ends.size() ? ends[p + 1] : 0;
    T* const to = p + 1 < ends.size() ? buffers[p % 2] : y;
    run_kron_pass(queue, kron_span<T>{factors, first, ends[p], sizes.before[first], sizes.after[ends[p]]}, x, to);
    x = to;
  }
}

}  // namespace pysolve::PYSOLVE_BACKEND
