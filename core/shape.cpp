#include "weft/core/shape.h"

#include <fmt/ranges.h>

#include "weft/core/error.h"

namespace weft {

Shape::Shape(std::span<const std::int64_t> sizes) {
  for (auto size : sizes) push_back(size);
}

void Shape::push_back(std::int64_t size) {
  if (rank_ == max_rank) throw ShapeError("[shape] more than {} axes", max_rank);
  if (size < 0) throw ShapeError("[shape] negative size {} at axis {}", size, rank_);
  sizes_[static_cast<std::size_t>(rank_++)] = size;
}

std::int64_t Shape::numel() const {
  std::int64_t n = 1;
  for (auto size : sizes()) n *= size;
  return n;
}

Shape Shape::sub(int begin, int end) const {
  return Shape(sizes().subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
}

std::string Shape::str() const { return fmt::format("[{}]", fmt::join(sizes(), ", ")); }

}  // namespace weft
