#pragma once

#include <string_view>

#include "weft/io/safetensors_header.h"

namespace weft {

/// Reads the JSON text of a header into entries, index and metadata, and checks everything that can be seen without
/// the data part. Throws FormatError.
void read_safetensors_json(std::string_view text, std::string_view file, SafeTensorsTypes types,
                           SafeTensorsHeader& header);

}  // namespace weft
