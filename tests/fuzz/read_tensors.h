#pragma once

#include <cstdint>

#include "weft/core/error.h"
#include "weft/io/tensor_file.h"

namespace weft::testing {

/// Any bytes are a file of tensors or throw FormatError. What is a file is read to its last number, unless a tensor
/// repeats or unpacks to more than a fuzzer has time for.
inline void read_tensors(std::span<const std::byte> bytes) {
  constexpr std::int64_t most = 1 << 16;
  const auto file = TensorFile::parse(bytes, "input");
  for (const auto& record : file.records()) record.str();
  for (const auto& tensor : file.tensors()) {
    if (tensor.shape.numel() > most) continue;
    file.view(tensor.name);
    file.read(tensor.name, DType::f32);
    if (file.packed(tensor.name).size() != tensor.bytes()) __builtin_trap();
  }
}

}  // namespace weft::testing
