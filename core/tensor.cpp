#include "weft/core/tensor.h"

#include <algorithm>
#include <cstring>

#include "weft/core/backend.h"
#include "weft/core/device_kernels.h"

namespace weft {
namespace {

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

struct Tensor::Memory {
  Memory(MemorySource& from, std::size_t n) : source(from), bytes(n), data(from.allocate(n)) {}
  ~Memory() { source.release(data, bytes); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  MemorySource& source;
  std::size_t bytes;
  void* data;
  std::atomic<Version> version = 0;
};

Tensor Tensor::zeros(const Shape& shape, DType dtype, Backend* backend) {
  const auto bytes = static_cast<std::size_t>(shape.numel()) * size_of(dtype);
  const auto memory = std::make_shared<Memory>(memory_of(backend), std::max<std::size_t>(bytes, 1));
  Tensor t = view_of(memory->data, shape, dtype, memory, backend);
  t.version_ = &memory->version;
  t.fill(0);
  return t;
}

Tensor Tensor::empty(Arena& arena, const Shape& shape, DType dtype) {
  return view_of(arena.allocate(static_cast<std::size_t>(shape.numel()) * size_of(dtype)), shape, dtype, {},
                 arena.backend());
}

Tensor Tensor::view_of(void* data, const Shape& shape, DType dtype, std::shared_ptr<const void> owner,
                       Backend* backend) {
  Tensor t;
  t.data_ = data;
  t.shape_ = shape;
  t.numel_ = shape.numel();
  t.dtype_ = dtype;
  t.defined_ = true;
  t.backend_ = backend;
  t.owner_ = std::move(owner);
  return t;
}

Tensor Tensor::with(void* data, const Shape& shape) const {
  Tensor t = *this;
  t.data_ = data;
  t.shape_ = shape;
  t.numel_ = shape.numel();
  return t;
}

void Tensor::wrong_dtype(DType asked) const {
  throw DtypeError("[tensor] a {} tensor of shape {} was read as {}", name(dtype_), shape_.str(), name(asked));
}

void Tensor::not_here() const {
  throw DeviceError("[tensor] a tensor of shape {} on {} was read on the CPU; allowed: a copy, on(nullptr)",
                    shape_.str(), backend_->device().str());
}

void Tensor::require_on(Backend* backend, std::string_view who, std::string_view name) const {
  if (backend_ != backend)
    throw DeviceError("[{}] tensor '{}' lies on {}, this step runs on {}; give a copy: Tensor::on()", who, name,
                      device_of(backend_).str(), device_of(backend).str());
}

Tensor Tensor::slice(std::int64_t begin, std::int64_t end) const {
  if (rank() == 0 || begin < 0 || begin > end || end > dim(0))
    throw ShapeError("[slice] [{}, {}) of a tensor of shape {}", begin, end, shape_.str());
  Shape shape{end - begin};
  for (int i = 1; i < rank(); ++i) shape.push_back(dim(i));
  const std::int64_t row = dim(0) ? numel_ / dim(0) : 0;
  auto* p = static_cast<std::byte*>(data_) + static_cast<std::size_t>(begin * row) * size_of(dtype_);
  return with(p, shape);
}

Tensor Tensor::operator[](std::int64_t i) const { return slice(i, i + 1).reshape(shape_.sub(1, rank())); }

Tensor Tensor::reshape(const Shape& shape) const {
  if (shape.numel() != numel_)
    throw ShapeError("[reshape] {} to {}: the number of values differs", shape_.str(), shape.str());
  return with(data_, shape);
}

Tensor Tensor::clone() const { return to(dtype_); }

Tensor Tensor::to(DType dtype) const {
  Tensor t = zeros(shape_, dtype, backend_);
  t.copy_from(*this);
  return t;
}

Tensor Tensor::on(Backend* backend) const {
  Tensor t = zeros(shape_, dtype_, backend);
  t.copy_from(*this);
  return t;
}

Tensor Tensor::placed_on(Backend* backend) const { return backend == backend_ ? *this : on(backend); }

void Tensor::copy_from(const Tensor& other) const {
  if (other.shape_ != shape_) throw ShapeError("[copy] {} into {}", other.shape_.str(), shape_.str());
  changed();
  if (backend_ || other.backend_) return copy_across(other);
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

void Tensor::copy_across(const Tensor& other) const {
  if (backend_ == other.backend_) {
    backend_->table<MoveKernels>("copy").convert[static_cast<int>(other.dtype_)][static_cast<int>(dtype_)](
        data_, other.data_, numel_);
    return;
  }
  if (dtype_ != other.dtype_)
    throw DtypeError("[copy] {} into {} on another device; allowed: one dtype", name(other.dtype_), name(dtype_));
  if (backend_ && other.backend_) return copy_from(other.on(nullptr));
  if (backend_)
    backend_->upload(data_, other.data_, bytes());
  else
    other.backend_->download(data_, other.data_, bytes());
}

void Tensor::fill(double value) const {
  changed();
  if (backend_) {
    backend_->table<MoveKernels>("fill").fill[static_cast<int>(dtype_)](data_, numel_, value);
    return;
  }
  with_any(dtype_,
           [&](auto t) { std::fill_n(static_cast<decltype(t)*>(data_), numel_, static_cast<decltype(t)>(value)); });
}

}  // namespace weft
