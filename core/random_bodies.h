#pragma once
// The numbers of a stream, for CPU and CUDA alike: what depends on (seed, purpose, counter) alone. See core/random.h.

#include <cmath>
#include <cstdint>

#include <math.h>

#include "weft/core/philox.h"

namespace weft::inline WEFT_ISA {

/// b, mixed with what was there.
WEFT_HD std::uint64_t mix_in(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = a ^ (b + 0x9E3779B97F4A7C15u + (a << 6) + (a >> 2));
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

/// The seed is Philox's key; the purpose fills the upper half of the counter.
struct RandomStream {
  std::uint64_t seed, purpose;

  WEFT_HD PhiloxBlock block(std::uint64_t counter) const {
    return philox({{static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32),
                    static_cast<std::uint32_t>(purpose), static_cast<std::uint32_t>(purpose >> 32)}},
                  {{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}});
  }
  /// Of a counted key; null: of another one.
  WEFT_HD RandomStream counted(const std::uint64_t* counter) const {
    return {seed, counter ? mix_in(purpose, *counter) : purpose};
  }
};

/// Numbers 4 counter to 4 counter + 3, in (0, 1).
WEFT_HD void uniforms(RandomStream stream, std::uint64_t counter, float out[4]) {
  const PhiloxBlock b = stream.block(counter);
  for (int i = 0; i < 4; ++i) out[i] = uniform_float(b.x[i]);
}
WEFT_HD void uniforms(RandomStream stream, std::uint64_t counter, double out[4]) {
  for (int half = 0; half < 2; ++half) {
    const PhiloxBlock b = stream.block(2 * counter + static_cast<std::uint64_t>(half));
    for (int i = 0; i < 2; ++i) out[2 * half + i] = uniform_double(b.x[2 * i], b.x[2 * i + 1]);
  }
}

/// The same of the normal distribution: Box and Muller on pairs, in double.
template <class T>
WEFT_HD void normals(RandomStream stream, std::uint64_t counter, T out[4]) {
  T u[4];
  uniforms(stream, counter, u);
  for (int i = 0; i < 4; i += 2) {
    const double radius = ::sqrt(-2 * ::log(static_cast<double>(u[i])));
    const double angle = 2 * 3.141592653589793238462643 * static_cast<double>(u[i + 1]);
    out[i] = static_cast<T>(radius * ::cos(angle));
    out[i + 1] = static_cast<T>(radius * ::sin(angle));
  }
}

/// What fill_uniform() draws: [low, high), four numbers a counter. Where low + (high - low) u rounds to `high`, the
/// number before it is taken.
template <class T>
struct Uniform {
  T low, width, last;

  Uniform(double from, double to) : low(static_cast<T>(from)), width(static_cast<T>(to) - low), last(before(to)) {}
  WEFT_HD void draw(RandomStream stream, std::uint64_t counter, T out[4]) const {
    uniforms(stream, counter, out);
    for (int i = 0; i < 4; ++i) {
      const T x = low + width * out[i];
      out[i] = x < last ? x : last;
    }
  }

 private:
  T before(double high) const { return std::nextafter(static_cast<T>(high), low); }
};

/// What fill_normal() draws.
template <class T>
struct Normal {
  T mean, deviation;

  Normal(double mean_, double deviation_) : mean(static_cast<T>(mean_)), deviation(static_cast<T>(deviation_)) {}
  WEFT_HD void draw(RandomStream stream, std::uint64_t counter, T out[4]) const {
    normals(stream, counter, out);
    for (int i = 0; i < 4; ++i) out[i] = mean + deviation * out[i];
  }
};

/// Word i of those whose order is a permutation.
WEFT_HD std::uint64_t permutation_word(RandomStream stream, std::uint64_t i) {
  const PhiloxBlock b = stream.block(i / 2);
  return (std::uint64_t{b.x[2 * (i % 2)]} << 32) | b.x[2 * (i % 2) + 1];
}

}  // namespace weft::inline WEFT_ISA
