#pragma once
// Seeded choices, and random spaces made of them.

#include <cstdint>
#include <string>

#include "weft/core/random.h"
#include "weft/groups/space.h"

namespace weft::testing {

/// A stream of choices: each call takes the next number of the key.
class Draw {
 public:
  explicit Draw(RandomKey key) : key_(key) {}
  /// In [0, n).
  std::int64_t below(std::int64_t n) { return uniform_index(key_, next_++, n); }
  bool chance(double p) { return uniform(key_, next_++) < p; }
  template <class Range>
  const auto& of(const Range& items) {
    return items[static_cast<std::size_t>(below(static_cast<std::int64_t>(items.size())))];
  }

 private:
  RandomKey key_;
  std::uint64_t next_ = 0;
};

/// The text with one to four random changes: characters exchanged, left out, repeated, put in.
std::string mangled(std::string text, Draw& draw);

/// 1 to 7 factors of all kinds, with up to 4 places or pairs, some per or along another; 1 to 6 tensors with up to 4
/// axes in both roles or of other degrees, some with taps.
Space random_space(RandomKey key);

}  // namespace weft::testing
