#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "weft/core/arena.h"
#include "weft/core/dtype.h"
#include "weft/core/error.h"
#include "weft/core/shape.h"

namespace weft {

/// Counts how often the numbers of a memory were changed in place.
using Version = std::uint64_t;

/// A span that keeps its memory as long as it lives itself; as a std::span it does not.
template <class T>
class OwnedSpan : public std::span<T> {
 public:
  OwnedSpan(std::span<T> numbers, std::shared_ptr<const void> owner)
      : std::span<T>(numbers), owner_(std::move(owner)) {}

 private:
  std::shared_ptr<const void> owner_;
};

/// A dense row-major array. Like std::span it is a handle: copying it copies no data, and constness is shallow.
/// Its memory is owned (zeros, clone), lives in an arena (empty), or belongs to somebody else (view_of).
/// A null `backend` is the CPU's memory; else only kernels of that device may read the numbers.
class Tensor {
 public:
  Tensor() = default;

  /// Owned, 64-byte aligned, filled with zeros.
  static Tensor zeros(const Shape& shape, DType dtype, Backend* backend = nullptr);
  /// Uninitialised, where the arena's memory is; valid until its reset().
  static Tensor empty(Arena& arena, const Shape& shape, DType dtype);
  /// Someone else's memory; `owner` keeps it alive when given.
  static Tensor view_of(void* data, const Shape& shape, DType dtype, std::shared_ptr<const void> owner = {},
                        Backend* backend = nullptr);
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

  /// Whose kernels read it; null for the CPU.
  Backend* backend() const { return backend_; }
  /// For `who`, whose step runs on `backend`: throws DeviceError when the tensor, called `name`, lies elsewhere.
  void require_on(Backend* backend, std::string_view who, std::string_view name) const;

  /// For the CPU. Throws DtypeError when T is not the tensor's dtype, DeviceError when it lies on a device.
  template <class T>
  T* data() const {
    if (backend_) not_here();
    return address<T>();
  }
  template <class T>
  std::span<T> span() const& {
    return {data<T>(), static_cast<std::size_t>(numel_)};
  }
  /// Of a tensor that dies at the end of the statement.
  template <class T>
  OwnedSpan<T> span() const&& {
    return {{data<T>(), static_cast<std::size_t>(numel_)}, owner_};
  }
  /// Wherever it lies: for kernels. Throws DtypeError when T is not the tensor's dtype.
  template <class T>
  T* address() const {
    if (dtype_ != dtype_of<T>) wrong_dtype(dtype_of<T>);
    return static_cast<T*>(data_);
  }
  /// The same without a dtype.
  void* raw() const { return data_; }

  /// Items [begin, end) of axis 0, without copying. Throws ShapeError out of range.
  Tensor slice(std::int64_t begin, std::int64_t end) const;
  /// Item i of axis 0 without that axis, without copying.
  Tensor operator[](std::int64_t i) const;
  /// The same memory under another shape of as many numbers. Throws ShapeError otherwise.
  Tensor reshape(const Shape& shape) const;

  /// Owned copies, where the tensor lies.
  Tensor clone() const;
  Tensor to(DType dtype) const;
  /// An owned copy on the CPU (null) or a device.
  Tensor on(Backend* backend) const;
  /// The tensor itself where it lies there already, else on().
  Tensor placed_on(Backend* backend) const;

  /// Copies values of the same shape, converting the dtype, from wherever they lie. Between the CPU and a device, or
  /// two devices, the dtypes must be equal: throws DtypeError. Throws ShapeError for another shape.
  void copy_from(const Tensor& other) const;
  void fill(double value) const;

  /// How often fill(), copy_from(), the random fills and changed() changed the memory that this is a view of. It is one
  /// number for all views of memory that tensors own; 0 for an arena's and somebody else's.
  Version version() const { return version_ ? version_->load(std::memory_order_relaxed) : 0; }
  /// Whoever writes through data(), address() or raw() tells so: a tape that saved the numbers refuses its backward
  /// pass.
  void changed() const {
    if (version_) version_->fetch_add(1, std::memory_order_relaxed);
  }

 private:
  struct Memory;
  [[noreturn]] void wrong_dtype(DType asked) const;
  [[noreturn]] void not_here() const;
  void copy_across(const Tensor& other) const;
  Tensor with(void* data, const Shape& shape) const;

  void* data_ = nullptr;
  Shape shape_;
  std::int64_t numel_ = 0;
  DType dtype_ = DType::f32;
  bool defined_ = false;
  Backend* backend_ = nullptr;
  std::shared_ptr<const void> owner_;
  std::atomic<Version>* version_ = nullptr;  ///< of the memory, where tensors own it
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

/// Where tables of kernels have float32 (0) and float64 (1).
inline std::size_t float_column(DType dtype, const char* who) {
  return with_float(dtype, who, [](auto t) { return sizeof(t) == 4 ? std::size_t{0} : std::size_t{1}; });
}

}  // namespace weft
