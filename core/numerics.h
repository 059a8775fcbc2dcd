#pragma once
// Which numbers this weft computes.

#include <string>

#include <fmt/format.h>

namespace weft {

/// Raised by every change that gives some training other bits: another random number, another order of a sum. What is
/// begun with one version is not continued with another: its halves would not fit, and no run from the start would end
/// with the same bytes. What is finished is data, and is read whatever version made it.
///   1  release 0.1
///   2  uniform numbers equally spaced, pairwise sums
///   3  Fourier features of many weights interpolated
///   4  zoos of more than 256 MiB are read in an order of blocks
///   5  implicit networks: sums over neurons and of the gradients of biases in another order
inline constexpr int numerics_version = 5;

/// For an error message about what another version began; empty for this one.
inline std::string other_numerics(int begun_with) {
  if (begun_with == numerics_version) return {};
  return fmt::format(
      "was begun with version {} of the numerics{}; this weft computes with version {}, and its numbers would not fit "
      "those there: finish it with the weft that began it, or start anew",
      begun_with, begun_with == 1 ? " (weft 0.1)" : "", numerics_version);
}

}  // namespace weft
