// Run-time dispatch and short vectors, portably: GCC and Clang vector extensions, lowered to whatever the
// instruction set in force offers. A function marked PYSOLVE_CLONES is compiled for x86-64-v4 (AVX-512),
// x86-64-v3 (AVX2) and the baseline, and the loader picks one; everything it calls in its loops must be
// PYSOLVE_INLINE, since a call out of it would leave the clone.
#pragma once
#include <cstring>
#include <type_traits>

#include "view.hpp"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__) && \
    !defined(PYSOLVE_SANITIZE) && !defined(PYSOLVE_NO_CLONES)
#define PYSOLVE_HAS_CLONES
#define PYSOLVE_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PYSOLVE_CLONES
#endif
#define PYSOLVE_INLINE inline __attribute__((always_inline))
#define PYSOLVE_LAMBDA __attribute__((always_inline))

namespace pysolve {

constexpr int n_lanes = 8;

template <class T>
struct lanes_of;
template <>
struct lanes_of<float> {
  typedef float type __attribute__((vector_size(n_lanes * sizeof(float))));
};
template <>
struct lanes_of<double> {
  typedef double type __attribute__((vector_size(n_lanes * sizeof(double))));
};
template <class T>
using lanes = typename lanes_of<T>::type;

template <class T>
PYSOLVE_INLINE lanes<T> load(const T* p) {
  lanes<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <class T>
PYSOLVE_INLINE void store(T* p, lanes<T> v) {
  std::memcpy(p, &v, sizeof v);
}

// Store past the caches where p is 16-byte aligned: saves reading the line that is overwritten.
template <class T>
PYSOLVE_INLINE void stream(T* p, lanes<T> v) {
#if defined(__SSE2__)
  typedef T half __attribute__((vector_size(16)));
  half parts[sizeof v / 16];
  std::memcpy(parts, &v, sizeof v);
  for (unsigned i = 0; i < sizeof v / 16; ++i)
    if constexpr (sizeof(T) == 8)
      _mm_stream_pd(reinterpret_cast<double*>(p) + 2 * i, (__m128d)parts[i]);
    else
      _mm_stream_ps(reinterpret_cast<float*>(p) + 4 * i, (__m128)parts[i]);
#else
  store(p, v);
#endif
}

PYSOLVE_INLINE void stream_fence() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

template <class T>
PYSOLVE_INLINE bool aligned16(const T* p) {
  return reinterpret_cast<std::uintptr_t>(p) % 16 == 0;
}

template <class T>
PYSOLVE_INLINE lanes<double> widen(lanes<T> v) {
  if constexpr (std::is_same_v<T, double>)
    return v;
  else
    return __builtin_convertvector(v, lanes<double>);
}

template <class T>
PYSOLVE_INLINE lanes<T> narrow(lanes<double> v) {
  if constexpr (std::is_same_v<T, double>)
    return v;
  else
    return __builtin_convertvector(v, lanes<T>);
}

// v with values of type S, as wide as T or wider.
template <class S, class T>
PYSOLVE_INLINE auto as(T v) {
  if constexpr (std::is_same_v<S, std::remove_cvref_t<decltype(v[0])>>)
    return v;
  else
    return __builtin_convertvector(v, lanes<S>);
}

PYSOLVE_INLINE double total(lanes<double> s) {
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

template <class T>
constexpr bool is_real = std::is_same_v<T, real_t<T>>;

template <class T>
PYSOLVE_INLINE T conjugate(T a) {
  return a;
}
template <class T>
PYSOLVE_INLINE std::complex<T> conjugate(std::complex<T> a) {
  return {a.real(), -a.imag()};
}
template <class T>
PYSOLVE_INLINE double squared(T a) {
  return double(a) * double(a);
}
template <class T>
PYSOLVE_INLINE double squared(std::complex<T> a) {
  return double(a.real()) * double(a.real()) + double(a.imag()) * double(a.imag());
}
// conj(a) b in the type that sums are kept in.
template <class T>
PYSOLVE_INLINE sum_t<T> inner(T a, T b) {
  return sum_t<T>(conjugate(a)) * sum_t<T>(b);
}

// Sum of conj(a) b over many pairs, in double: eight sums side by side for real values, one for complex ones.
template <class T>
struct lane_sum {
  lanes<double> eight = {};
  sum_t<T> one = sum_t<T>();
  PYSOLVE_INLINE void add(T a, T b) { one += inner(a, b); }
  template <class V = T>
  PYSOLVE_INLINE void add(lanes<V> a, lanes<V> b) {
    eight += widen<V>(a) * widen<V>(b);
  }
  PYSOLVE_INLINE sum_t<T> total() const { return pysolve::total(eight) + one; }
};

}  // namespace pysolve
