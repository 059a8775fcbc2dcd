#pragma once

#include <filesystem>
#include <span>
#include <string_view>

#include "weft/core/tensor.h"

namespace weft {

/// One batch of CIFAR-10: 32x32 colour images of ten classes.
struct Cifar10 {
  Tensor images;  ///< uint8 [items, 3, 32, 32], channels red, green, blue
  Tensor labels;  ///< uint8 [items], 0 to 9
};

/// Reads a batch of the binary version of CIFAR-10, plain or gzip: records of 1 byte label, then 3072 bytes image.
/// Throws DiskError; FormatError for no record, a part of one, and labels above 9.
Cifar10 read_cifar10(const std::filesystem::path& path);

/// The same for the (not compressed) bytes of such a file; `file` names them in messages.
Cifar10 parse_cifar10(std::span<const std::byte> bytes, std::string_view file);

}  // namespace weft
