// How the device cuts a Kronecker product into passes through memory: the modes [first, last) each, from the last ones on.
#pragma once
#include "kron_fused_body.hpp"
#include "kron_mode_body.hpp"
#include "kron_sizes.hpp"

namespace pysolve::PYSOLVE_BACKEND {

constexpr index_t kron_buffer_bytes = 40 << 10;   // of a slab: two of them with the factors leave room for a second block
constexpr index_t kron_shared_bytes = 160 << 10;  // of a block: what every device since sm_80 has
constexpr index_t kron_busy = 264;                // blocks that keep a large device busy
constexpr double kron_launch_values = 1e6;        // values that could be moved in the time of a launch

// The modes [first, last) as a pass sees them, and the slab it takes.
template <class T>
struct kron_span {
  const std::vector<kron_factor<T>>& factors;
  std::size_t first, last;
  index_t left, right;
  index_t group = 1, width = 1;

  bool small() const {
    if (last - first > kron_most_modes) return false;
    for (std::size_t j = first; j < last; ++j)
      if (std::max(factors[j].m, factors[j].n) > kron_most_fused) return false;
    return true;
  }
  index_t given() const {  // n_a ... n_b
    index_t size = 1;
    for (std::size_t j = first; j < last; ++j) size *= factors[j].n;
    return size;
  }
  int rows(std::size_t j) const { return int((factors[j].m + 15) / 16 * 16); }
  int panel_pitch(std::size_t j) const {
    return kron_pitch(int((factors[j].n + kron_step - 1) / kron_step * kron_step));
  }
  // Values of a buffer: the most that x, or what a mode but the last makes of it, takes.
  index_t buffer_values() const {
    index_t lines = group * given(), after = width;
    if (right == 1) lines /= factors[last - 1].n;
    index_t most = lines * kron_pitch(int(right == 1 ? factors[last - 1].n : width));
    lines = group * given();
    for (std::size_t j = last; j-- > first + 1;) {
      lines /= factors[j].n, after *= factors[j].m;
      if (after > kron_buffer_bytes) return kron_buffer_bytes;  // too many, and before they overflow
      most = std::max(most, lines * kron_pitch(int(after)));
    }
    return most;
  }
  index_t panel_values() const {
    index_t size = 0;
    for (std::size_t j = first; j < last; ++j) size += rows(j) * panel_pitch(j);
    return size;
  }
  bool fits() const {
    const index_t buffer = buffer_values() * index_t(sizeof(T));
    return buffer <= kron_buffer_bytes &&
           panel_values() * index_t(sizeof(T)) + 2 * buffer <= kron_shared_bytes;
  }
  // Whether it can be done in shared memory; so many neighbours of x at least are taken that whole sectors are read.
  bool fits_at_all() {
    if (!small() || given() > kron_buffer_bytes) return false;
    group = 1, width = std::min<index_t>(right, 4);
    return fits();
  }
  // The widest slab that fits, less where the device would not be busy.
  void choose() {
    width = std::min<index_t>(right, 128);
    while (width > 4 && !fits()) width = std::max<index_t>(4, width / 8 * 4);
    while (width >= 32 && left * ((right + width - 1) / width) < kron_busy) width = width / 8 * 4;
    if (width != right) return;
    const index_t least = std::max<index_t>(1, 1024 / (given() * width));
    const index_t wanted = std::min(left, std::max(least, left / kron_busy));
    for (group = wanted; group > 1 && !fits();) group = (group + 1) / 2;
  }
};

template <class T>
kron_fused_body<T> fuse(const kron_span<T>& span, const T* x, T* y) {
  kron_fused_body<T> body{};
  const index_t given = span.given(), n_last = span.factors[span.last - 1].n;
  body.x = x, body.y = y, body.left = span.left, body.right = span.right;
  body.group = int(span.group), body.width = int(span.width);
  body.ranges = (span.right + span.width - 1) / span.width;
  body.n_slabs = (span.left + span.group - 1) / span.group * body.ranges;
  const bool along_k = span.right == 1;
  body.lines = int(span.group * given / (along_k ? n_last : 1));
  body.span = int(along_k ? n_last : span.width), body.pitch = kron_pitch(body.span);
  body.apart = along_k ? n_last : span.right, body.of_left = given * span.right;
  constexpr int V = kron_vector<T>::size;
  body.by_vectors = body.span % V == 0 && body.apart % V == 0 && reinterpret_cast<std::uintptr_t>(x) % 16 == 0;
  body.span_vectors = kron_divider(body.by_vectors ? body.span / V : body.span);
  body.across = kron_divider(span.width);

  index_t place = 0, before = span.group * given, after = span.width;
  int block = along_k ? body.pitch : int(n_last) * body.pitch, stride = along_k ? 1 : body.pitch;
  for (std::size_t j = span.last; j-- > span.first;) {
    const kron_factor<T>& A = span.factors[j];
    before /= A.n;
    const int next = kron_pitch(int(A.m * after));
    body.modes[body.n_modes++] = {
        A,     int(place), span.rows(j), span.panel_pitch(j),  int(before * after),
        block, stride,     next,         kron_divider(after)};
    place += span.rows(j) * span.panel_pitch(j);
    if (j == span.first) break;
    after *= A.m, block = int(span.factors[j - 1].n) * next, stride = next;
  }
  body.y_step = after / span.width * span.right;
  body.y_block = body.y_step * span.factors[span.first].m;
  const index_t neighbours = span.width == span.right ? after : span.width;
  body.by_pairs = neighbours % 2 == 0 && body.y_step % 2 == 0 && (span.width == span.right || span.right % 2 == 0) &&
                  reinterpret_cast<std::uintptr_t>(y) % 16 == 0;
  const index_t buffer = span.buffer_values();
  body.buffer[0] = int(place), body.buffer[1] = int(place + buffer), body.n_values = place + 2 * buffer;
  return body;
}

template <class T>
kron_mode_body<T> mode_of(const kron_factor<T>& A, index_t left, index_t right, const T* x, T* y) {
  constexpr int V = kron_vector<T>::size;
  const auto straight = [](const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; };
  kron_mode_body<T> body{A, left, right, x, y, A.m > 64 ? 4 : A.m > 32 ? 2 : 1, false, false, false};
  body.A_by_vectors = A.column == 1 && A.row % V == 0 && A.n % V == 0 && straight(A.data);
  body.x_by_vectors = (right == 1 ? A.n : right) % V == 0 && straight(x);
  body.by_pairs = right % 2 == 0 && straight(y);
  return body;
}

// Ends of the passes: the modes [ends[p + 1], ends[p]) are those of pass p.
template <class T>
std::vector<std::size_t> kron_passes(const std::vector<kron_factor<T>>& factors, const kron_sizes& sizes) {
  const std::size_t d = factors.size();
  std::vector<double> cost(d + 1, 0);
  std::vector<std::size_t> end(d + 1, d);
  for (std::size_t first = d; first-- > 0;) {
    cost[first] = 1e300;
    for (std::size_t last = first + 1; last <= d; ++last) {
      kron_span<T> span{factors, first, last, sizes.before[first], sizes.after[last]};
      if (last > first + 1 && !span.fits_at_all()) break;
      const double moved = double(sizes.before[last]) * double(sizes.after[last]) +
                           double(sizes.before[first]) * double(sizes.after[first]);
      if (cost[last] + moved + kron_launch_values < cost[first])
        cost[first] = cost[last] + moved + kron_launch_values, end[first] = last;
    }
  }
  std::vector<std::size_t> ends;
  for (std::size_t j = 0; j < d; j = end[j]) ends.push_back(end[j]);
  return {ends.rbegin(), ends.rend()};
}

}  // namespace pysolve::PYSOLVE_BACKEND
