#include "weft/core/tensor.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace weft {
namespace {

std::shared_ptr<void> owned(std::size_t bytes) {
  constexpr std::align_val_t align{Arena::alignment};
  void* p = ::operator new(std::max<std::size_t>(bytes, 1), align);
  std::memset(p, 0, bytes);
  return {p, [](void* q) { ::operator delete(q, align); }};
}

/// Calls f(T{}) with the element type.
template <class F>
void with_any(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    case DType::i32:
      return f(std::int32_t{});
    case DType::u8:
      return f(std::uint8_t{});
  }
}

}  // namespace

Tensor Tensor::zeros(const Shape& shape, DType dtype) {
  auto memory = owned(static_cast<std::size_t>(shape.numel()) * size_of(dtype));
  void* data = memory.get();
  return view_of(data, shape, dtype, std::move(memory));
}

Tensor Tensor::empty(Arena& arena, const Shape& shape, DType dtype) {
  return view_of(arena.allocate(static_cast<std::size_t>(shape.numel()) * size_of(dtype)), shape, dtype);
}

Tensor Tensor::view_of(void* data, const Shape& shape, DType dtype, std::shared_ptr<const void> owner) {
  Tensor t;
  t.data_ = data;
  t.shape_ = shape;
  t.numel_ = shape.numel();
  t.dtype_ = dtype;
  t.defined_ = true;
  t.owner_ = std::move(owner);
  return t;
}

void Tensor::wrong_dtype(DType asked) const {
  throw DtypeError("[tensor] a {} tensor of shape {} was read as {}", name(dtype_), shape_.str(), name(asked));
}

Tensor Tensor::slice(std::int64_t begin, std::int64_t end) const {
  if (rank() == 0 || begin < 0 || begin > end || end > dim(0))
    throw ShapeError("[slice] [{}, {}) of a tensor of shape {}", begin, end, shape_.str());
  Shape shape{end - begin};
  for (int i = 1; i < rank(); ++i) shape.push_back(dim(i));
  const std::int64_t row = dim(0) ? numel_ / dim(0) : 0;
  auto* p = static_cast<std::byte*>(data_) + static_cast<std::size_t>(begin * row) * size_of(dtype_);
  return view_of(p, shape, dtype_, owner_);
}

Tensor Tensor::operator[](std::int64_t i) const { return slice(i, i + 1).reshape(shape_.sub(1, rank())); }

Tensor Tensor::reshape(const Shape& shape) const {
  if (shape.numel() != numel_)
    throw ShapeError("[reshape] {} to {}: the number of values differs", shape_.str(), shape.str());
  return view_of(data_, shape, dtype_, owner_);
}

Tensor Tensor::clone() const { return to(dtype_); }

Tensor Tensor::to(DType dtype) const {
  Tensor t = zeros(shape_, dtype);
  t.copy_from(*this);
  return t;
}

void Tensor::copy_from(const Tensor& other) const {
  if (other.shape_ != shape_) throw ShapeError("[copy] {} into {}", other.shape_.str(), shape_.str());
  if (other.dtype_ == dtype_) {
    if (numel_) std::memmove(data_, other.data_, bytes());
    return;
  }
  with_any(dtype_, [&](auto to) {
    with_any(other.dtype_, [&](auto from) {
      using To = decltype(to);
      const auto* source = static_cast<const decltype(from)*>(other.data_);
      std::transform(source, source + numel_, static_cast<To*>(data_), [](auto x) { return static_cast<To>(x); });
    });
  });
}

void Tensor::fill(double value) const {
  with_any(dtype_,
           [&](auto t) { std::fill_n(static_cast<decltype(t)*>(data_), numel_, static_cast<decltype(t)>(value)); });
}

}  // namespace weft
