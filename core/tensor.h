#pragma once

#include <memory>
#include <span>

#include "weft/core/arena.h"
#include "weft/core/dtype.h"
#include "weft/core/error.h"
#include "weft/core/shape.h"

namespace weft {

/// A dense row-major array. Like std::span it is a handle: copying it copies no data, and constness is shallow.
/// Its memory is owned (zeros, clone), lives in an arena (empty), or belongs to somebody else (view_of).
class Tensor {
 public:
  Tensor() = default;

  /// Owned, 64-byte aligned, filled with zeros.
  static Tensor zeros(const Shape& shape, DType dtype);
  /// Uninitialised; valid until the arena's reset().
  static Tensor empty(Arena& arena, const Shape& shape, DType dtype);
  /// Someone else's memory; `owner` keeps it alive when given.
  static Tensor view_of(void* data, const Shape& shape, DType dtype, std::shared_ptr<const void> owner = {});
  /// Owned copy of `values`; throws ShapeError when their number is not shape.numel().
  template <class T>
  static Tensor from(std::span<const T> values, const Shape& shape);

  bool defined() const { return defined_; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  int rank() const { return shape_.rank(); }
  std::int64_t dim(int axis) const { return shape_[axis]; }
  std::int64_t numel() const { return numel_; }
  std::size_t bytes() const { return static_cast<std::size_t>(numel_) * size_of(dtype_); }

  /// Throws DtypeError when T is not the tensor's dtype.
  template <class T>
  T* data() const {
    if (dtype_ != dtype_of<T>) wrong_dtype(dtype_of<T>);
    return static_cast<T*>(data_);
  }
  template <class T>
  std::span<T> span() const {
    return {data<T>(), static_cast<std::size_t>(numel_)};
  }
  void* raw() const { return data_; }

  /// Items [begin, end) of axis 0, without copying. Throws ShapeError out of range.
  Tensor slice(std::int64_t begin, std::int64_t end) const;
  /// Item i of axis 0 without that axis, without copying.
  Tensor operator[](std::int64_t i) const;
  /// The same memory under another shape of as many numbers. Throws ShapeError otherwise.
  Tensor reshape(const Shape& shape) const;

  /// Owned copies.
  Tensor clone() const;
  Tensor to(DType dtype) const;

  /// Copies values of the same shape, converting the dtype. Throws ShapeError for another shape.
  void copy_from(const Tensor& other) const;
  void fill(double value) const;

 private:
  [[noreturn]] void wrong_dtype(DType asked) const;

  void* data_ = nullptr;
  Shape shape_;
  std::int64_t numel_ = 0;
  DType dtype_ = DType::f32;
  bool defined_ = false;
  std::shared_ptr<const void> owner_;
};

template <class T>
Tensor Tensor::from(std::span<const T> values, const Shape& shape) {
  if (static_cast<std::int64_t>(values.size()) != shape.numel())
    throw ShapeError("[tensor] {} values for shape {}", values.size(), shape.str());
  Tensor t = zeros(shape, dtype_of<T>);
  std::copy(values.begin(), values.end(), t.data<T>());
  return t;
}

/// Calls f(T{}) with the floating type of `dtype`; throws DtypeError for others, naming `who`.
template <class F>
decltype(auto) with_float(DType dtype, const char* who, F&& f) {
  if (dtype == DType::f32) return f(float{});
  if (dtype == DType::f64) return f(double{});
  throw DtypeError("[{}] got {}; allowed: float32, float64", who, name(dtype));
}

}  // namespace weft
