#pragma once
// What every test on a device needs.

#include <cmath>
#include <cstring>
#include <vector>

#include <doctest/doctest.h>

#include "weft/core/random.h"
#include "weft/core/tensor.h"
#include "weft/cuda/memory.h"

namespace weft::testing {

/// cuda:0, its memory, and ways there and back.
struct Gpu {
  cuda::Stream stream{parse_device("cuda")};
  cuda::UseStream use{stream};
  cuda::DeviceMemory memory{stream};
  cuda::DeviceArena arena{memory};
  cuda::Staging staging{stream};

  /// The tensor's numbers, `shift` numbers behind an aligned address.
  template <class T>
  T* up(const Tensor& t, int shift = 0) {
    T* p = arena.allocate_array<T>(static_cast<std::size_t>(t.numel() + shift)) + shift;
    staging.upload(p, t.data<T>(), t.bytes());
    return p;
  }
  template <class T>
  Tensor down(const T* p, const Shape& shape) {
    const Tensor t = Tensor::zeros(shape, dtype_of<T>);
    staging.download(t.raw(), p, t.bytes());
    return t;
  }
};

template <class T>
Tensor normals_of(const Shape& shape, std::uint64_t seed) {
  const Tensor t = Tensor::zeros(shape, dtype_of<T>);
  fill_normal(t, Key(seed, "cuda device"));
  return t;
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

/// The largest |a - b|, over the largest |b| or 1.
template <class T>
double distance(const Tensor& a, const Tensor& b) {
  double difference = 0, scale = 1;
  for (std::int64_t i = 0; i < b.numel(); ++i) {
    const double x = static_cast<double>(a.data<T>()[i]), y = static_cast<double>(b.data<T>()[i]);
    difference = std::isnan(x - y) ? x - y : std::fmax(difference, std::abs(x - y));
    if (std::isnan(difference)) return difference;
    scale = std::fmax(scale, std::abs(y));
  }
  return difference / scale;
}

/// float32: the same bits as on the CPU, whose bodies these are. float64: up to the libraries' exp, log, sin, ...
template <class T>
bool agrees(const Tensor& device, const Tensor& cpu) {
  if constexpr (sizeof(T) == 4)
    return same_bits(device, cpu);
  else
    return distance<T>(device, cpu) < 1e-14;
}

}  // namespace weft::testing
