#pragma once
// What every test of a device needs. The same tests run on an emulated device and, where there is one, on a GPU.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

#include "weft/core/arena.h"
#include "weft/core/backend.h"
#include "weft/core/device_kernels.h"
#include "weft/core/difference.h"
#include "weft/core/random.h"
#include "weft/core/tensor.h"

namespace weft::testing {

/// The device under test.
Backend& device();
/// Another one of its kind with memory for so many bytes; null where that cannot be had.
std::shared_ptr<Backend> small_device(std::size_t bytes);
/// Whether it is the emulated one, whose rounding is known to the last bit.
bool emulated();
/// n on a GPU; few enough numbers for an emulation, which is slow.
std::int64_t many(std::int64_t n);

/// Memory of the device, and ways there and back.
struct OnDevice {
  Backend& backend = device();
  Arena arena{backend.memory()};

  /// The tensor's numbers, `shift` numbers behind an aligned address.
  template <class T>
  T* up(const Tensor& t, int shift = 0) {
    T* p = arena.allocate_array<T>(static_cast<std::size_t>(t.numel() + shift)) + shift;
    backend.upload(p, t.data<T>(), t.bytes());
    return p;
  }
  template <class T>
  Tensor down(const T* p, const Shape& shape) {
    const Tensor t = Tensor::zeros(shape, dtype_of<T>);
    backend.download(t.raw(), p, t.bytes());
    return t;
  }
  /// n numbers of the device as a tensor.
  template <class T>
  Tensor view(T* p, std::int64_t n) {
    return Tensor::view_of(p, {n}, dtype_of<T>, {}, &backend);
  }
};

template <class T>
Tensor normals_of(const Shape& shape, std::uint64_t seed) {
  const Tensor t = Tensor::zeros(shape, dtype_of<T>);
  fill_normal(t, RandomKey(seed, "device"));
  return t;
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

/// The largest |a - b|, over the largest |b| or 1.
inline double distance(const Tensor& a, const Tensor& b) { return relative_error(a, b, 1); }

/// float32: the same bits as on the CPU, whose bodies these are. float64: up to the libraries' exp, log, sin, ...
template <class T>
bool agrees(const Tensor& device, const Tensor& cpu) {
  if constexpr (sizeof(T) == 4)
    return same_bits(device, cpu);
  else
    return same_bits(device, cpu) || distance(device, cpu) < 1e-14;  // zeros have no relative distance
}

}  // namespace weft::testing
