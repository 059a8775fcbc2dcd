#pragma once
// One loop over [0, n) for every kernel that treats its numbers one by one. What a thread does is plain C++, so that
// the tests run it on the host, thread by thread.

#include <cstddef>
#include <cstdint>

#include "weft/core/hd.h"

namespace weft::cuda::inline WEFT_ISA {

/// N neighbours that move as one access (16 bytes at most; more are several accesses).
template <class T, int N>
struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) Pack {
  T x[N];
};

#if defined(__CUDA_ARCH__)
/// Words of the hardware. Stores of them go by an intrinsic: left to itself, nvcc takes most of them apart.
template <int bytes>
struct Word;
template <>
struct Word<16> {
  using type = uint4;
};
template <>
struct Word<8> {
  using type = uint2;
};
template <>
struct Word<4> {
  using type = unsigned;
};

template <class T, int N>
struct Words {
  static constexpr int bytes = static_cast<int>(sizeof(Pack<T, N>) < 16 ? sizeof(Pack<T, N>) : 16);
  static constexpr int count = static_cast<int>(sizeof(Pack<T, N>)) / bytes;
  using Access = typename Word<bytes>::type;
  Access x[count];
};
#endif

template <int N, class T>
WEFT_HD Pack<T, N> load(const T* p) {
  if constexpr (N == 1) {
    return {{*p}};
  } else {
#if defined(__CUDA_ARCH__)
    Words<T, N> words;
    for (int k = 0; k < words.count; ++k) words.x[k] = reinterpret_cast<const typename Words<T, N>::Access*>(p)[k];
    return __builtin_bit_cast(Pack<T, N>, words);
#else
    return *reinterpret_cast<const Pack<T, N>*>(p);
#endif
  }
}

template <int N, class T>
WEFT_HD void store(T* p, const Pack<T, N>& v) {
  if constexpr (N == 1) {
    *p = v.x[0];
  } else {
#if defined(__CUDA_ARCH__)
    const auto words = __builtin_bit_cast(Words<T, N>, v);
    for (int k = 0; k < words.count; ++k) __stwb(reinterpret_cast<typename Words<T, N>::Access*>(p) + k, words.x[k]);
#else
    *reinterpret_cast<Pack<T, N>*>(p) = v;
#endif
  }
}

/// Numbers of one 16-byte access.
template <class T>
inline constexpr int pack_width = static_cast<int>(16 / sizeof(T));

/// [0, n) as `head` single numbers, `packs` aligned packs and single numbers again.
struct PackRange {
  std::int64_t n = 0, head = 0, packs = 0;
  int width = 1;

  /// Single numbers: the head, then what follows the packs.
  WEFT_HD std::int64_t singles() const { return n - packs * width; }
  WEFT_HD std::int64_t single(std::int64_t i) const { return i < head ? i : i + packs * width; }
};

/// An array that is read or written: where it begins and the size of its numbers.
struct Span {
  const void* p;
  std::size_t size;
};

/// Packs of `width` numbers such that every array is aligned in each of them. Arrays that never are at once, being
/// shifted against each other, get single numbers only. A null array is not there.
template <int Count>
PackRange split(std::int64_t n, int width, const Span (&arrays)[Count]) {
  for (std::int64_t head = 0; head < width && head < n; ++head) {
    bool aligned = true;
    for (const Span& a : arrays) {
      const std::size_t pack = static_cast<std::size_t>(width) * a.size, access = pack < 16 ? pack : 16;
      const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(a.p) + static_cast<std::size_t>(head) * a.size;
      aligned = aligned && (a.p == nullptr || address % access == 0);
    }
    if (aligned) return {n, head, (n - head) / width, width};
  }
  return {n, 0, 0, width};
}

inline PackRange singles(std::int64_t n) { return {n, 0, 0, 1}; }

/// What thread `thread` of `threads` does: body.at<N>(i) treats the numbers i to i + N - 1.
template <int Width, class Body>
WEFT_HD void range_loop(const Body& body, const PackRange& s, std::int64_t thread, std::int64_t threads) {
  if constexpr (Width > 1)
    for (std::int64_t i = thread; i < s.packs; i += threads) body.template at<Width>(s.head + i * Width);
  const std::int64_t singles = s.singles();
  for (std::int64_t i = thread; i < singles; i += threads) body.template at<1>(s.single(i));
}

}  // namespace weft::cuda::inline WEFT_ISA
