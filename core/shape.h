#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace weft {

/// The sizes of a tensor's axes, slowest first; at most max_rank of them. Holds no heap memory.
class Shape {
 public:
  static constexpr int max_rank = 8;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}
  /// Throws ShapeError for a negative size or more than max_rank axes.
  explicit Shape(std::span<const std::int64_t> sizes);

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return sizes_[static_cast<std::size_t>(axis)]; }
  std::int64_t numel() const;
  std::span<const std::int64_t> sizes() const& { return {sizes_.data(), static_cast<std::size_t>(rank_)}; }
  /// Not of a temporary: `for (auto n : f().sizes())` would read a dead Shape.
  std::span<const std::int64_t> sizes() const&& = delete;

  void push_back(std::int64_t size);
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
