// A warp's tile of a mode product: 16 or 32 rows of A by 32 columns of x, both in shared memory, the sums in registers.
//
// double: by the tensor cores, 16 x 8 x 8 at a time (device_place::mma), which on Hopper do twice the flops of the plain
// units (67 against 34 TFLOP/s by the datasheet) and take their operands in fewer loads: for 32 rows a step of 8 in k is
// 16 loads of 8 bytes a thread for 16384 flops of the warp, half of what shared memory gives in the time of those flops;
// for 16 rows three quarters. m16n8k8 rather than wmma's m8n8k4: half the instructions, and the shape that Hopper has.
// float: plain multiply-adds, 8 x 4 or 4 x 4 sums a thread: the tensor cores would round to 11 bits.
// Either way a value is summed in the order of k, by steps of 8 or of 1.
#pragma once
#include "device_body.hpp"

namespace pysolve::PYSOLVE_BACKEND {

constexpr int kron_tile_columns = 32;
constexpr int kron_step = 8;  // values of k that A is padded to, with zeros

// Values from one line to the next in shared memory, at least `size`: 4 mod 8, so that lines of four or eight threads, and
// their four neighbouring values, lie in different banks.
PYSOLVE_BODY constexpr int kron_pitch(int size) { return (size + 3) / 8 * 8 + 4; }

// Columns of x as one thread reads them: value k of column c is data[begin[c] + k stride]. Beyond n it is zero, whatever is
// there.
template <class T>
struct kron_columns {
  const T* data;
  int begin[4];
  int stride, n;
  PYSOLVE_BODY T at(int c, int k) const { return k < n ? data[begin[c] + k * stride] : T(); }
};

template <class T>
struct alignas(16) kron_vector {
  static constexpr int size = 16 / int(sizeof(T));
  T value[size];
};

template <class T, int RM>
struct kron_warp_tile;

template <int RM>
struct kron_warp_tile<double, RM> {
  static constexpr int rows = 16 * RM;
  double sums[RM][4][4] = {};

  // The column that entry c of kron_columns is.
  PYSOLVE_BODY static int column(int lane, int c) { return 8 * c + lane / 4; }

  // sums += A x: row i of A is A[i pitch], zero from n to the next multiple of kron_step.
  template <class Place>
  PYSOLVE_AT_PLACE void multiply(const Place& at, const double* A, int pitch, const kron_columns<double>& x) {
    const int lane = at.thread() % warp_threads, t = lane % 4;
    const double* p = A + lane / 4 * pitch + t;
    PYSOLVE_ROLLED  // two steps at once would spill; the other warps of the multiprocessor fill the time of the loads
        for (int k = 0; k < x.n; k += kron_step, p += kron_step) {
      double a[RM][4], b[4][2];
      PYSOLVE_UNROLL
      for (int c = 0; c < 4; ++c) {
        b[c][0] = x.at(c, k + t);
        b[c][1] = x.at(c, k + t + 4);
      }
      PYSOLVE_UNROLL
      for (int r = 0; r < RM; ++r) {
        a[r][0] = p[16 * r * pitch];
        a[r][1] = p[(16 * r + 8) * pitch];
        a[r][2] = p[16 * r * pitch + 4];
        a[r][3] = p[(16 * r + 8) * pitch + 4];
      }
      PYSOLVE_UNROLL
      for (int r = 0; r < RM; ++r) PYSOLVE_UNROLL
      for (int c = 0; c < 4; ++c) at.mma(sums[r][c], a[r], b[c]);
    }
  }

  // Writes what lies in the first n_rows rows and n_columns columns: row i of column j to place_of(j) + i step. In pairs of
  // columns where those are neighbours in aligned memory.
  template <class Step, class PlaceOf>
  PYSOLVE_AT_PLACE void store(int lane, int n_rows, int n_columns, Step step, bool pairs,
                              PlaceOf place_of) const {
    const int g = lane / 4, t = lane % 4;
    PYSOLVE_UNROLL
    for (int c = 0; c < 4; ++c) {
      const int column = 8 * c + 2 * t;
      if (pairs) {
        if (column < n_columns) store_pairs(c, g, n_rows, step, place_of(column));
        continue;
      }
      PYSOLVE_UNROLL
      for (int e = 0; e < 2; ++e) {
        if (column + e >= n_columns) continue;
        double* const y = place_of(column + e);
        PYSOLVE_UNROLL
        for (int r = 0; r < 2 * RM; ++r)
          if (8 * r + g < n_rows) y[(8 * r + g) * step] = sums[r / 2][c][r % 2 * 2 + e];
      }
    }
  }
  template <class Step>
  PYSOLVE_AT_PLACE void store_pairs(int c, int g, int n_rows, Step step, double* y) const {
    PYSOLVE_UNROLL
    for (int r = 0; r < 2 * RM; ++r)
      if (8 * r + g < n_rows) {
        double* const to = y + (8 * r + g) * step;
        const double first = sums[r / 2][c][r % 2 * 2], second = sums[r / 2][c][r % 2 * 2 + 1];
#if defined(__CUDACC__)
        __stwb(reinterpret_cast<double2*>(to), make_double2(first, second));  // a plain one is taken apart
#else
        to[0] = first, to[1] = second;
#endif
      }
  }
};

template <int RM>
struct kron_warp_tile<float, RM> {
  static constexpr int rows = 16 * RM;
  float sums[4 * RM][4] = {};

  PYSOLVE_BODY static int column(int lane, int c) { return 8 * c + lane % 8; }

  template <class Place>
  PYSOLVE_AT_PLACE void multiply(const Place& at, const float* A, int pitch, const kron_columns<float>& x) {
    const int lane = at.thread() % warp_threads;
    const float* p = A + lane / 8 * pitch;
    for (int k = 0; k < x.n; k += 4, p += 4) {
      float b[4][4];
      PYSOLVE_UNROLL
      for (int s = 0; s < 4; ++s) PYSOLVE_UNROLL
      for (int c = 0; c < 4; ++c) b[s][c] = x.at(c, k + s);
      PYSOLVE_UNROLL
      for (int r = 0; r < 4 * RM; ++r) {
        const auto a = *reinterpret_cast<const kron_vector<float>*>(p + 4 * r * pitch);
        PYSOLVE_UNROLL
        for (int s = 0; s < 4; ++s) PYSOLVE_UNROLL
        for (int c = 0; c < 4; ++c) sums[r][c] += a.value[s] * b[s][c];
      }
    }
  }

  // Eight neighbouring columns are 32 bytes, a sector: pairs would bring nothing.
  template <class Step, class PlaceOf>
  PYSOLVE_AT_PLACE void store(int lane, int n_rows, int n_columns, Step step, bool, PlaceOf place_of) const {
    PYSOLVE_UNROLL
    for (int c = 0; c < 4; ++c) {
      if (column(lane, c) >= n_columns) continue;
      float* const y = place_of(column(lane, c));
      PYSOLVE_UNROLL
      for (int r = 0; r < 4 * RM; ++r)
        if (4 * r + lane / 8 < n_rows) y[(4 * r + lane / 8) * step] = sums[r][c];
    }
  }
};

}  // namespace pysolve::PYSOLVE_BACKEND
