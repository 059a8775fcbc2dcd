#pragma once
// What is said of two networks.

#include <cstdint>

namespace weft {

/// `same` and `different` are proved, each in its way; `undecided` is everything between.
enum class Decision : std::uint8_t { same, different, undecided };
/// "undecided"
constexpr const char* name(Decision decision) {
  return decision == Decision::same ? "same" : decision == Decision::different ? "different" : "undecided";
}

/// `different` needs so many times the distance that `same` allows; what lies between is `undecided`.
inline constexpr double decision_gap = 3;

}  // namespace weft
