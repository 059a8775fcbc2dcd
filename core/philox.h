#pragma once
// Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011). One body for CPU
// and CUDA.

#include <cstdint>

#include "weft/core/hd.h"

namespace weft::inline WEFT_ISA {

struct PhiloxBlock {
  std::uint32_t x[4];
};

struct PhiloxKey {
  std::uint32_t k[2];
};

/// The four words of one counter.
WEFT_HD PhiloxBlock philox(PhiloxBlock counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter.x[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter.x[2];
    counter = {{static_cast<std::uint32_t>(b >> 32) ^ counter.x[1] ^ key.k[0], static_cast<std::uint32_t>(b),
                static_cast<std::uint32_t>(a >> 32) ^ counter.x[3] ^ key.k[1], static_cast<std::uint32_t>(a)}};
    key.k[0] += 0x9E3779B9u;
    key.k[1] += 0xBB67AE85u;
  }
  return counter;
}

/// The odd multiples of 2^-24 in (0, 1), all equally likely, by the word's upper 23 bits: never 0 or 1, so that its
/// logarithm is finite. A 24th bit would leave no room for the half in a float's 24.
WEFT_HD float uniform_float(std::uint32_t word) { return (static_cast<float>(word >> 9) + 0.5f) * 0x1p-23f; }
/// The odd multiples of 2^-53 in (0, 1), all equally likely, by 52 bits: the lower 31 of `high` and the upper 21 of
/// `low`.
WEFT_HD double uniform_double(std::uint32_t high, std::uint32_t low) {
  const std::uint64_t bits = (std::uint64_t{high & 0x7FFFFFFFu} << 21) | (low >> 11);
  return (static_cast<double>(bits) + 0.5) * 0x1p-52;
}

}  // namespace weft::inline WEFT_ISA
