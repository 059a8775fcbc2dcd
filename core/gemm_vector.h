#pragma once
// The few vector operations of the product kernels, on the widest vectors of the instruction set that this file is
// compiled for. Included by kernel sources only (see core/isa.h).

#include <cstdint>
#include <utility>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "weft/core/hd.h"

namespace weft::inline WEFT_ISA {

#if defined(__AVX512F__)
inline constexpr int vector_bytes = 64, vector_registers = 32;
#elif defined(__AVX2__)
inline constexpr int vector_bytes = 32, vector_registers = 16;
#else
inline constexpr int vector_bytes = 16, vector_registers = 16;
#endif

template <class T>
struct VectorTypes {
  typedef T Aligned __attribute__((vector_size(vector_bytes)));
  typedef T Unaligned __attribute__((vector_size(vector_bytes), aligned(alignof(T)), may_alias));
};
template <class T>
using Vector = typename VectorTypes<T>::Aligned;
template <class T>
inline constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));

template <class T>
inline Vector<T> load(const T* p) {
  return *reinterpret_cast<const typename VectorTypes<T>::Unaligned*>(p);
}
template <class T>
inline void store(T* p, Vector<T> x) {
  *reinterpret_cast<typename VectorTypes<T>::Unaligned*>(p) = x;
}
template <class T>
inline Vector<T> broadcast(T x) {
  return x - Vector<T>{};
}

#if defined(__AVX512F__)

inline Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) { return _mm512_fmadd_ps(a, b, c); }
inline Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) { return _mm512_fmadd_pd(a, b, c); }

/// The first `count` lanes.
template <class T>
struct Head {
  explicit Head(std::int64_t count) : mask_(static_cast<__mmask16>((1u << count) - 1)) {}
  Vector<T> load(const T* p) const {
    if constexpr (sizeof(T) == 4)
      return _mm512_maskz_loadu_ps(mask_, p);
    else
      return _mm512_maskz_loadu_pd(static_cast<__mmask8>(mask_), p);
  }
  void store(T* p, Vector<T> x) const {
    if constexpr (sizeof(T) == 4)
      _mm512_mask_storeu_ps(p, mask_, x);
    else
      _mm512_mask_storeu_pd(p, static_cast<__mmask8>(mask_), x);
  }

 private:
  __mmask16 mask_;
};

#elif defined(__AVX2__)

inline Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) { return _mm256_fmadd_ps(a, b, c); }
inline Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) { return _mm256_fmadd_pd(a, b, c); }

template <class T>
struct Head {
  explicit Head(std::int64_t count) {
    if constexpr (sizeof(T) == 4)
      mask_ = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    else
      mask_ = _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
  }
  Vector<T> load(const T* p) const {
    if constexpr (sizeof(T) == 4)
      return _mm256_maskload_ps(p, mask_);
    else
      return _mm256_maskload_pd(p, mask_);
  }
  void store(T* p, Vector<T> x) const {
    if constexpr (sizeof(T) == 4)
      _mm256_maskstore_ps(p, mask_, x);
    else
      _mm256_maskstore_pd(p, mask_, x);
  }

 private:
  __m256i mask_;
};

#else

template <class V>
inline V fma(V a, V b, V c) {
  return a * b + c;
}

template <class T>
struct Head {
  explicit Head(std::int64_t count) : count_(count) {}
  Vector<T> load(const T* p) const {
    Vector<T> x{};
    for (std::int64_t i = 0; i < count_; ++i) x[i] = p[i];
    return x;
  }
  void store(T* p, Vector<T> x) const {
    for (std::int64_t i = 0; i < count_; ++i) p[i] = x[i];
  }

 private:
  std::int64_t count_;
};

#endif

/// The sum of all lanes: halves are added, so that log2(lanes) additions wait for one another. Every lane then has it.
template <int half, std::size_t... i>
inline float sum_of_lanes(Vector<float> x, std::index_sequence<i...> all) {
  if constexpr (half == 0)
    return x[0];
  else
    return sum_of_lanes<half / 2>(x + __builtin_shufflevector(x, x, (i ^ static_cast<std::size_t>(half))...), all);
}
inline float sum_of_lanes(Vector<float> x) {
  constexpr int count = lanes<float>;
  return sum_of_lanes<count / 2>(x, std::make_index_sequence<static_cast<std::size_t>(count)>{});
}

/// One stage of a transposition: 2x2 blocks of `distance` x `distance` swap their off-diagonal blocks.
template <int distance, class V, std::size_t... i>
inline void swap_blocks(V& x, V& y, std::index_sequence<i...>) {
  constexpr std::size_t d = distance, width = sizeof...(i);
  const V top = __builtin_shufflevector(x, y, ((i & d) != 0 ? width + i - d : i)...);
  y = __builtin_shufflevector(x, y, ((i & d) != 0 ? width + i : i + d)...);
  x = top;
}

/// All stages on rows in registers: spelled out by the pack, for a loop would keep them in memory.
template <int distance, class T, std::size_t... i>
inline void transpose_stages(Vector<T>* rows, std::index_sequence<i...> all) {
  if constexpr (distance < lanes<T>) {
    constexpr std::size_t d = distance;
    (((i & d) == 0 ? swap_blocks<distance>(rows[i], rows[i | d], all) : void()), ...);
    transpose_stages<2 * distance, T>(rows, all);
  }
}

template <class T, std::size_t... i>
inline void transpose_all(const T* from, std::int64_t from_stride, T* to, std::int64_t to_stride,
                          std::index_sequence<i...> all) {
  Vector<T> x[] = {load(from + static_cast<std::int64_t>(i) * from_stride)...};
  transpose_stages<1, T>(x, all);
  (store(to + static_cast<std::int64_t>(i) * to_stride, x[i]), ...);
}

/// Columns behind the last one repeat it; rows from `end` on are not written.
template <class T, std::size_t... i>
inline void transpose_part(const T* from, std::int64_t from_stride, const Head<T>& head, std::int64_t last, T* to,
                           std::int64_t to_stride, std::int64_t end, std::index_sequence<i...> all) {
  auto row = [&](std::int64_t j) { return head.load(from + (j < last ? j : last) * from_stride); };
  Vector<T> x[] = {row(static_cast<std::int64_t>(i))...};
  transpose_stages<1, T>(x, all);
  ((static_cast<std::int64_t>(i) < end ? store(to + static_cast<std::int64_t>(i) * to_stride, x[i]) : void()), ...);
}

/// to[i to_stride + j] = from[j from_stride + i] for i < rows, j < columns, both at least 1 and at most lanes. Writes
/// whole vectors: what stands behind column `columns` is spoiled; with `spoils_rows`, which is faster, `lanes` rows.
template <bool spoils_rows, class T>
inline void transpose(const T* from, std::int64_t from_stride, std::int64_t rows, std::int64_t columns, T* to,
                      std::int64_t to_stride) {
  constexpr auto all = std::make_index_sequence<static_cast<std::size_t>(lanes<T>)>{};
  if (rows == lanes<T> && columns == lanes<T>) return transpose_all(from, from_stride, to, to_stride, all);
  transpose_part(from, from_stride, Head<T>(rows), columns - 1, to, to_stride, spoils_rows ? lanes<T> : rows, all);
}

}  // namespace weft::inline WEFT_ISA
