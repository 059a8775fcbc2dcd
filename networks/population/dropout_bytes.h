#pragma once
// Dropout by value with one random byte each, as the populations do it.

#include <bit>
#include <cmath>
#include <cstdint>

namespace weft {

static_assert(std::endian::native == std::endian::little);
/// The low byte of each word first.
inline const std::uint8_t* bytes_of(const std::uint32_t* words) { return reinterpret_cast<const std::uint8_t*>(words); }

/// A value is kept, times `scale`, when its byte is at least `threshold`; 0 keeps all.
struct DropoutScale {
  std::int32_t threshold;
  float scale;
  explicit DropoutScale(double rate)
      : threshold(static_cast<std::int32_t>(std::lround(256 * rate))),
        scale(256.f / static_cast<float>(256 - threshold)) {}
};

}  // namespace weft
