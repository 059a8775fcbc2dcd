#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "weft/core/tensor.h"

namespace weft {

/// A seed and a purpose name one endless, counter-based stream (Philox 4x32-10). Number i depends on (seed, purpose, i)
/// alone: not on threads, devices or what was drawn before. Sub-streams are keyed by an index:
/// key.at(epoch).at(network).
struct RandomKey {
  std::uint64_t seed = 0;
  std::uint64_t purpose = 0;
  const std::uint64_t* counter = nullptr;  ///< see counted()

  RandomKey(std::uint64_t seed, std::string_view purpose);
  RandomKey at(std::uint64_t index) const;
  RandomKey at(std::string_view name) const;
  /// The sub-stream of the number that `*counter` is when numbers are drawn; in the memory of the device that draws
  /// them. So a recorded step draws anew at each replay.
  RandomKey counted(const std::uint64_t* counter) const;
};

/// Fills a float32 or float64 tensor with numbers of [low, high); of (0, 1) for these ends: low + (high - low) u,
/// u one of 2^23 equally spaced numbers of (0, 1), of 2^52 in float64 (core/philox.h). Throws UsageError unless
/// low <= high, both finite.
void fill_uniform(const Tensor& t, RandomKey key, double low = 0, double high = 1);
/// The same with mean + deviation z, z normal.
void fill_normal(const Tensor& t, RandomKey key, double mean = 0, double deviation = 1);

/// Number i of the stream, as the functions above draw it for float64.
double uniform(RandomKey key, std::uint64_t i = 0, double low = 0, double high = 1);
double normal(RandomKey key, std::uint64_t i = 0);
/// An integer in [0, n). Throws UsageError unless 1 <= n <= 2^52.
std::int64_t uniform_index(RandomKey key, std::uint64_t i, std::int64_t n);

/// A uniform permutation of 0..n-1: the order of n 64-bit words of the stream, ties by index. The same on every device.
/// Throws UsageError unless 0 <= n < 2^31.
std::vector<std::int32_t> permutation(std::int64_t n, RandomKey key);
/// The same as the numbers of an int32 tensor [n], drawn where it lies; a device's memory for it comes from `scratch`.
void fill_permutation(const Tensor& order, RandomKey key, Arena& scratch);

}  // namespace weft
