// One mode of a Kronecker product on a part of x that stays in the caches.
#pragma once
#include "kron.hpp"
#include "kron_tile.hpp"

namespace pysolve::cpu {

// Values of x, or of y, of one mode: value (l, i, r) is data[l block + i stride + r], r < right <= stride. What is far, in
// memory and not in the caches, is fetched ahead of its use: of x the part after this one.
template <class T>
struct kron_part {
  T* data;
  index_t block, stride;
  bool far = false;
};

// Whether a mode with this many values after it takes them as vectors (combination), or the rows of A (contraction).
template <class T>
constexpr bool kron_combines(index_t right) {
  return right >= kron_tile::width<T>;
}

// Values of a packed factor; of the panel that a combination packs x into.
template <class T>
index_t kron_packed_size(index_t m, index_t n);
template <class T>
index_t kron_panel_size(index_t n);

// A packed for modes that combine, or contract.  2 m n sizeof(T) bytes.
template <class T>
void kron_pack(const kron_factor<T>& A, bool combines, T* packed);

// y_lir = sum_k A_ik x_lkr for the packed m x n matrix A; `combines` as it was packed, and only where kron_combines(right).
template <class T>
void kron_mode(const T* packed, index_t m, index_t n, bool combines, index_t left, index_t right,
               kron_part<const T> x, kron_part<T> y, T* panel);

}  // namespace pysolve::cpu
