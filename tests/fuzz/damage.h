#pragma once

#include <algorithm>
#include <iterator>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "weft/core/error.h"
#include "weft/io/safetensors.h"

// Damage that random bytes hardly ever do: a safetensors file whose header still fits, with one number too many, one
// number or text out of its range, or one tensor less.

namespace weft::testing {

template <class Random>
std::size_t pick(Random& random, std::size_t n) {
  return n ? static_cast<std::size_t>(random() % n) : 0;
}

template <class T, class Random>
T extreme(Random& random) {
  using Limits = std::numeric_limits<T>;
  if constexpr (std::is_floating_point_v<T>) {
    const T values[] = {0,
                        T(-0.),
                        1,
                        -1,
                        T(0.5),
                        T(1.5),
                        -5,
                        T(1e6),
                        T(2147483648.),
                        T(9.3e18),
                        Limits::max(),
                        Limits::lowest(),
                        Limits::quiet_NaN(),
                        Limits::infinity(),
                        -Limits::infinity(),
                        Limits::denorm_min()};
    return values[pick(random, std::size(values))];
  } else {
    const T values[] = {0, 1, T(-1), 2, 3, 100, Limits::max(), Limits::min(), T(Limits::max() / 2)};
    return values[pick(random, std::size(values))];
  }
}

/// Some number in a text becomes an extreme one, or a text in it another.
template <class Random>
std::string damaged_text(std::string text, Random& random) {
  static const char* const numbers[] = {"-1",
                                        "0",
                                        "1",
                                        "2.5",
                                        "1e300",
                                        "-1e300",
                                        "1048577",
                                        "2147483648",
                                        "4611686018427387904",
                                        "9223372036854775807",
                                        "18446744073709551615",
                                        "18446744073709551616",
                                        "null",
                                        "\"1\"",
                                        "[]",
                                        "{}",
                                        "true",
                                        ""};
  std::vector<std::pair<std::size_t, std::size_t>> places;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t begin = text.find_first_of("0123456789", i);
    if (begin == text.npos) break;
    const std::size_t end = std::min(text.find_first_not_of("0123456789.", begin), text.size());
    places.emplace_back(begin, end - begin);
    i = end;
  }
  if (places.empty()) return text + "0";
  const auto [begin, size] = places[pick(random, places.size())];
  return text.replace(begin, size, numbers[pick(random, std::size(numbers))]);
}

/// The file with one such change; empty for one that is no safetensors file.
template <class Random>
std::vector<std::byte> damaged(std::span<const std::byte> bytes, Random& random) {
  std::vector<NamedTensor> tensors;
  Metadata metadata;
  try {
    const auto file = SafeTensors::parse(bytes, "damaged");
    for (const std::string& name : file.names()) {
      if (name.empty()) return {};
      tensors.push_back({name, file.tensor(name).clone()});
    }
    metadata = file.metadata();
  } catch (const FormatError&) {
    return {};
  }
  if (tensors.empty() && metadata.empty()) return {};
  const std::size_t place = pick(random, 2 * tensors.size() + 3 * metadata.size());
  if (place < tensors.size()) {
    auto& [name, tensor] = tensors[place];
    if (tensor.numel() == 0) return {};
    const std::size_t at = pick(random, static_cast<std::size_t>(tensor.numel()));
    if (tensor.dtype() == DType::f32) tensor.span<float>()[at] = extreme<float>(random);
    if (tensor.dtype() == DType::f64) tensor.span<double>()[at] = extreme<double>(random);
    if (tensor.dtype() == DType::i32) tensor.span<std::int32_t>()[at] = extreme<std::int32_t>(random);
    if (tensor.dtype() == DType::u8) tensor.span<std::uint8_t>()[at] = extreme<std::uint8_t>(random);
  } else if (place < 2 * tensors.size()) {
    auto& [name, tensor] = tensors[place - tensors.size()];
    switch (pick(random, 4)) {
      case 0:
        tensors.erase(tensors.begin() + static_cast<std::ptrdiff_t>(place - tensors.size()));
        break;
      case 1:
        tensor = tensor.reshape({tensor.numel()});
        break;
      case 2:
        if (tensor.rank() > 0) tensor = tensor.slice(0, tensor.dim(0) / 2).clone();
        break;
      default:
        tensor = tensor.to(tensor.dtype() == DType::f64 ? DType::f32 : DType::f64);
    }
  } else {
    auto entry = metadata.begin();
    std::advance(entry, static_cast<std::ptrdiff_t>((place - 2 * tensors.size()) / 3));
    entry->second = damaged_text(entry->second, random);
  }
  return safetensors_bytes(tensors, metadata);
}

}  // namespace weft::testing
