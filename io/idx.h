#pragma once

#include <filesystem>
#include <span>
#include <string_view>

#include "weft/core/tensor.h"

namespace weft {

/// Reads an IDX file, the format of MNIST, plain or gzip:
///   2 zero bytes, 1 byte type code, 1 byte rank, then rank sizes (4 bytes, big-endian), then the values, row-major
/// Only unsigned bytes (code 0x08) are read. Returns an owned uint8 tensor of 1 to 8 axes.
/// Throws DiskError; FormatError for anything else in the file, missing or surplus bytes included.
Tensor read_idx(const std::filesystem::path& path);

/// The same for the (not compressed) bytes of such a file; `file` names them in messages.
Tensor parse_idx(std::span<const std::byte> bytes, std::string_view file);

}  // namespace weft
