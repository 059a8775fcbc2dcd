#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>

namespace weft {

/// Numbers that one tensor may have at most: fewer than 2^60, so that a signed 64-bit number counts their bytes.
inline constexpr std::int64_t max_numel = (std::int64_t{1} << 60) - 1;

/// a b, or nothing beyond max_numel. Neither is negative.
std::optional<std::int64_t> product_of_sizes(std::int64_t a, std::int64_t b);

/// The sizes of a tensor's axes, slowest first; at most max_rank of them. Holds no heap memory.
class Shape {
 public:
  static constexpr int max_rank = 8;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}
  /// Throws ShapeError for a negative size, more than max_rank axes, or sizes whose product is beyond max_numel. An
  /// axis of size 0 does not excuse the others, for strides are products of sizes too.
  explicit Shape(std::span<const std::int64_t> sizes);

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return sizes_[static_cast<std::size_t>(axis)]; }
  /// At most max_numel, by construction.
  std::int64_t numel() const;
  std::span<const std::int64_t> sizes() const& { return {sizes_.data(), static_cast<std::size_t>(rank_)}; }
  /// Not of a temporary: `for (auto n : f().sizes())` would read a dead Shape.
  std::span<const std::int64_t> sizes() const&& = delete;

  void push_back(std::int64_t size);
  /// Whether one axis more, of a size that is not negative, leaves its product within max_numel.
  bool takes(std::int64_t size) const;
  /// The axes [begin, end).
  Shape sub(int begin, int end) const;

  /// "[2, 3]"
  std::string str() const;

  bool operator==(const Shape&) const = default;

 private:
  std::array<std::int64_t, max_rank> sizes_{};
  int rank_ = 0;
};

}  // namespace weft
