#pragma once
// What kind of file it is, by its content.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "weft/io/tensor_file_contents.h"

namespace weft {

enum class FileFormat : std::uint8_t { safetensors, torch_zip, pickle, npy, npz };

/// Throws FormatError for what weft does not read, saying what it is and, for weights in another format, the line of
/// Python that converts it.
FileFormat file_format(std::span<const std::byte> bytes, std::string_view file);

/// Throws FormatError for checkpoints whose numbers stand for others by a code (GPTQ, AWQ, bitsandbytes), which their
/// names tell.
void refuse_quantised(const TensorFileContents& contents);

}  // namespace weft
