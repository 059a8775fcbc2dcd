#pragma once

#include <string>

#include "weft/io/safetensors.h"

namespace weft {

/// Keys of the metadata that tell what a file of weft holds (io/checkpoint.h, zoo/network_file.h).
inline constexpr const char *model_key = "weft.model", *space_key = "weft.space";
/// The tensor that every shard of a zoo has.
inline constexpr const char* shard_tensor = "table.id";

/// What a safetensors file holds and who takes it, for a message: "a model (magep): ...".
std::string file_kind(const SafeTensors& file);

}  // namespace weft
