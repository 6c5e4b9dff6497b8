// What the bodies of the CUDA kernels share. A body is a struct that holds the arguments of a kernel, with
//   operator()(at)   what one thread does at its place `at` in the launch; a body that sums returns its share
//   n_blocks()       blocks to launch; it depends on sizes alone, so that sums have the same bits everywhere
//   blocks_at_once   if it is there: blocks that must have room on a multiprocessor together (65536 registers)
// It is plain C++: nvcc compiles it for the device, and the host compiler for tests/cuda_host, where the .cu files
// find a queue that walks simulated launches. A place knows
//   thread(), block_threads(), block(), n_blocks()
//   sync()                            all threads of a block must reach it
//   shuffle_down(v, offset)           v of the lane so far behind; all threads of a warp must reach it together
//   shuffle(v, lane)                  v of that lane of the warp; warps of a block may go their own ways between syncs
//   load(p), atomic_min(p, v)         of an int32 that other threads change; atomic_min returns what was there
//   shared<S, count>()                memory of the block, count values; the same each time, unless a third number differs
//   dynamic_shared<S>()               memory of the block, as many bytes as the body's shared_bytes() says
//   is_last(counter)                  whether all other blocks of the launch have come here before: what they wrote is
//                                     there; a sync for the block. The counter is 0 before a launch, and after it.
//   mma(c, a, b)                      c += a b by a warp, 16 x 8 x 8 in double on the tensor cores; all warps must reach it
//                                     together where in_step, as in simulation. With g = lane / 4, t = lane % 4 a thread has
//     of a (16 x 8): [0] row g, column t; [1] g + 8, t; [2] g, t + 4; [3] g + 8, t + 4
//     of b (8 x 8):  [0] row t, column g; [1] t + 4, g
//     of c (16 x 8): [0] row g, column 2 t; [1] g, 2 t + 1; [2] g + 8, 2 t; [3] g + 8, 2 t + 1
#pragma once
#include "view.hpp"

#if defined(__CUDACC__)
#define PYSOLVE_BODY __host__ __device__ __forceinline__
#define PYSOLVE_AT_PLACE __device__ __forceinline__  // calls what only the device has: shuffle_down, sync
#else
#define PYSOLVE_BODY inline
#define PYSOLVE_AT_PLACE inline
#endif

// Before a loop: all of it at once, or one round at a time. The host's compiler does not know these.
#if defined(__CUDA_ARCH__)
#define PYSOLVE_UNROLL _Pragma("unroll")
#define PYSOLVE_ROLLED _Pragma("unroll 1")
#else
#define PYSOLVE_UNROLL
#define PYSOLVE_ROLLED
#endif

namespace pysolve {

// A complex number laid out as std::complex, whose operators nvcc does not compile for the device.
template <class R>
struct device_complex {
  R re, im;
  PYSOLVE_BODY constexpr device_complex() : re(), im() {}
  PYSOLVE_BODY constexpr explicit device_complex(R re_, R im_ = R()) : re(re_), im(im_) {}
  template <class Q>
  PYSOLVE_BODY constexpr explicit device_complex(const device_complex<Q>& o) : re(R(o.re)), im(R(o.im)) {}
  PYSOLVE_BODY device_complex& operator+=(const device_complex& o) {
    re += o.re;
    im += o.im;
    return *this;
  }
};

template <class R>
struct scalar_of<device_complex<R>> {
  using real = R;
  using sum = device_complex<double>;
};

template <class R>
PYSOLVE_BODY device_complex<R> operator-(device_complex<R> a, device_complex<R> b) {
  return device_complex<R>(a.re - b.re, a.im - b.im);
}
template <class R>
PYSOLVE_BODY device_complex<R> operator+(device_complex<R> a, device_complex<R> b) {
  return device_complex<R>(a.re + b.re, a.im + b.im);
}
template <class R>
PYSOLVE_BODY device_complex<R> operator*(device_complex<R> a, device_complex<R> b) {
  return device_complex<R>(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
}
template <class R>
PYSOLVE_BODY device_complex<R> operator*(R a, device_complex<R> b) {
  return device_complex<R>(a * b.re, a * b.im);
}

// The type that stands for T on the device, and views of the caller's memory in it.
template <class T>
struct device_type {
  using type = T;
};
template <class R>
struct device_type<std::complex<R>> {
  static_assert(sizeof(device_complex<R>) == sizeof(std::complex<R>));
  using type = device_complex<R>;
};
template <class T>
using device_t = typename device_type<T>::type;

template <class T>
device_t<T>* on_device(T* p) {
  return reinterpret_cast<device_t<T>*>(p);
}
template <class T>
const device_t<T>* on_device(const T* p) {
  return reinterpret_cast<const device_t<T>*>(p);
}
template <class I, class T>
csr<I, device_t<T>> on_device(const csr<I, T>& A) {
  return {A.n_rows, A.n_cols, A.indptr, A.indices, on_device(A.data)};
}
template <class T>
sell<device_t<T>> on_device(const sell<T>& A) {
  return {A.n_rows, A.n_cols, A.n_slices, A.slice_ptr, A.column, A.indices, on_device(A.data)};
}
inline double on_host(double a) { return a; }
inline std::complex<double> on_host(device_complex<double> a) { return {a.re, a.im}; }

namespace PYSOLVE_BACKEND {

template <class T>
PYSOLVE_BODY double squared(T a) {
  return double(a) * double(a);
}
template <class R>
PYSOLVE_BODY double squared(device_complex<R> a) {
  return double(a.re) * double(a.re) + double(a.im) * double(a.im);
}
PYSOLVE_BODY double real_part(double a) { return a; }
PYSOLVE_BODY double real_part(device_complex<double> a) { return a.re; }
PYSOLVE_BODY bool is_number(double a) { return a - a == 0; }  // no NaN and not infinite

PYSOLVE_BODY bool is_finite(double a) { return a - a == 0; }
// conj(a) b in the type that sums are kept in.
template <class T>
PYSOLVE_BODY sum_t<T> inner(T a, T b) {
  return sum_t<T>(a) * sum_t<T>(b);
}
template <class R>
PYSOLVE_BODY device_complex<double> inner(device_complex<R> a, device_complex<R> b) {
  return device_complex<double>(a.re, -double(a.im)) * device_complex<double>(b);
}

constexpr int warp_threads = 32;
constexpr int block_threads = 256;
constexpr int max_warps = 32;         // of a block
constexpr index_t max_blocks = 2048;  // of a launch: all that fit on the largest device at once, and a few

// Blocks for `items` of work, `per_block` of them for each block at a time.
PYSOLVE_BODY index_t blocks_for(index_t items, index_t per_block) {
  const index_t wanted = (items + per_block - 1) / per_block;
  return wanted < 1 ? 1 : wanted < max_blocks ? wanted : max_blocks;
}

// f(i) for 0 <= i < n over all threads of the launch, neighbouring threads at neighbouring i.
template <class Place, class F>
PYSOLVE_AT_PLACE void over_elements(const Place& at, index_t n, F f) {
  const index_t stride = at.n_blocks() * at.block_threads();
  for (index_t i = at.block() * at.block_threads() + at.thread(); i < n; i += stride) f(i);
}

// use(i, load(i)) for 0 <= i < n, as in over_elements; a thread loads 16 bytes of a vector of T, from as many places, before
// it uses them: so many loads are under way at once, where the compiler cannot tell that a store leaves the next ones alone.
template <class T, class Place, class Load, class Use>
PYSOLVE_AT_PLACE void over_batches(const Place& at, index_t n, Load load, Use use) {
  constexpr int batch = sizeof(T) < 16 ? 16 / int(sizeof(T)) : 1;
  const index_t stride = at.n_blocks() * at.block_threads();
  index_t i = at.block() * at.block_threads() + at.thread();
  for (; i + (batch - 1) * stride < n; i += batch * stride) {
    decltype(load(i)) loaded[batch];
    for (int u = 0; u < batch; ++u) loaded[u] = load(i + u * stride);
    for (int u = 0; u < batch; ++u) use(i + u * stride, loaded[u]);
  }
  for (; i < n; i += stride) use(i, load(i));
}

// Sum of v over the first `lanes` (a power of two) threads from every lanes-th one on, valid in the first.
template <class S, class Place>
PYSOLVE_AT_PLACE S lanes_sum(const Place& at, S v, int lanes) {
  for (int offset = lanes / 2; offset > 0; offset /= 2) v += at.shuffle_down(v, offset);
  return v;
}

// Sum of v over the block, valid in thread 0: within each warp, then over the warps. The order of the additions is
// fixed. A sync must lie between two of these.
template <class S, class Place>
PYSOLVE_AT_PLACE S block_sum(const Place& at, S v) {
  S* const warp_sum = at.template shared<S, max_warps>();
  const int lane = at.thread() % warp_threads, warp = at.thread() / warp_threads;
  v = lanes_sum(at, v, warp_threads);
  if (lane == 0) warp_sum[warp] = v;
  at.sync();
  v = lane < at.block_threads() / warp_threads ? warp_sum[lane] : S();
  return lanes_sum(at, v, warp_threads);
}

// A body's blocks_at_once; 0: as the compiler likes.
template <class Body>
constexpr int least_blocks() {
  if constexpr (requires { Body::blocks_at_once; }) return Body::blocks_at_once;
  return 0;
}

// The first stage of a sum: part[block] = the sum over the block of what its threads return.
template <class Body>
struct block_sums_body {
  using S = typename Body::result;
  static constexpr int blocks_at_once = least_blocks<Body>();
  Body body;
  S* part;
  PYSOLVE_BODY index_t n_blocks() const { return body.n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    const S total = block_sum(at, S(body(at)));
    if (at.thread() == 0) part[at.block()] = total;
  }
};

// The second stage: one block adds up what the blocks of the first stage left.
template <class S>
struct total_body {
  using result = S;
  const S* part;
  index_t count;
  PYSOLVE_BODY index_t n_blocks() const { return 1; }
  template <class Place>
  PYSOLVE_AT_PLACE S operator()(const Place& at) const {
    S total = S();
    over_elements(at, count, [&](index_t i) { total += part[i]; });
    return total;
  }
};

// *where = value, by one thread.
template <class S>
struct store_body {
  S value;
  S* where;
  PYSOLVE_BODY index_t n_blocks() const { return 1; }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    if (at.thread() == 0) *where = value;
  }
};

// Memory for that: max_blocks sums, and a counter.
struct sum_place {
  void* part;
  unsigned* arrived;  // 0 before a launch, and after it
};

// Both stages in one launch: the block that is the last to end adds up the parts, in their order, and one of its threads
// hands the sum to `finish`. Where the body has a skip(), the same in all threads of a launch, and that is true, nothing
// is done.
template <class Body, class Finish>
struct finished_sum_body {
  using S = typename Body::result;
  static constexpr int blocks_at_once = least_blocks<Body>();
  Body body;
  Finish finish;
  sum_place memory;
  PYSOLVE_BODY index_t n_blocks() const { return body.n_blocks(); }
  template <class Place>
  PYSOLVE_AT_PLACE void operator()(const Place& at) const {
    if constexpr (requires { body.skip(); })
      if (body.skip()) return;
    S* const part = static_cast<S*>(memory.part);
    S total = block_sum(at, S(body(at)));
    if (at.thread() == 0) part[at.block()] = total;
    if (!at.is_last(memory.arrived)) return;
    total = S();
    for (index_t i = at.thread(); i < at.n_blocks(); i += at.block_threads()) total += part[i];
    total = block_sum(at, total);
    if (at.thread() == 0) finish(total);
  }
};

}  // namespace PYSOLVE_BACKEND
}  // namespace pysolve
