#pragma once
// Tables of a step (addresses, sizes, offsets) for its kernels to read.

#include <algorithm>
#include <cstring>
#include <span>
#include <type_traits>

#include "weft/core/loop.h"
#include "weft/core/send_bodies.h"

namespace weft {

/// A copy of `items` where the arena's memory is. On a device they go as arguments of launches, so that a recorded step
/// holds them: an upload could not be recorded. For hundreds of words, not for data.
template <class T>
T* send(Arena& arena, std::span<const T> items) {
  static_assert(std::is_trivially_copyable_v<T>);
  constexpr std::size_t word = sizeof(std::uint64_t);
  const std::size_t words = (items.size_bytes() + word - 1) / word;
  auto* to = arena.allocate_array<std::uint64_t>(words);
  const auto* from = reinterpret_cast<const std::byte*>(items.data());
  for (std::size_t at = 0; at < words; at += Send::most) {
    Send body{to + at, {}};
    const std::size_t n = std::min<std::size_t>(Send::most, words - at);
    std::memcpy(body.word, from + at * word, std::min(n * word, items.size_bytes() - at * word));
    loop(arena.backend(), static_cast<std::int64_t>(n), static_cast<std::int64_t>(n), body);
  }
  return reinterpret_cast<T*>(to);
}

}  // namespace weft
