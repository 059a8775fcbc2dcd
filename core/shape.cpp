#include "weft/core/shape.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "weft/core/error.h"

namespace weft {

std::optional<std::int64_t> product_of_sizes(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product) || product > max_numel) return {};
  return product;
}

Shape::Shape(std::span<const std::int64_t> sizes) {
  for (auto size : sizes) push_back(size);
}

void Shape::push_back(std::int64_t size) {
  if (rank_ == max_rank) throw ShapeError("[shape] more than {} axes", max_rank);
  if (size < 0) throw ShapeError("[shape] negative size {} at axis {}", size, rank_);
  if (!takes(size))
    throw ShapeError("[shape] {} and an axis of {} more; allowed: fewer than 2^60 numbers, so that 64 bits count bytes",
                     str(), size);
  sizes_[static_cast<std::size_t>(rank_++)] = size;
}

bool Shape::takes(std::int64_t size) const {
  std::int64_t others = 1;
  for (auto other : sizes()) others *= std::max<std::int64_t>(other, 1);
  return product_of_sizes(others, size).has_value();
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
