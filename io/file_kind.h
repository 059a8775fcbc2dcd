#pragma once

#include <string>

#include "weft/io/tensor_file.h"

namespace weft {

/// Keys of the metadata that tell what a file of weft holds (io/checkpoint.h, zoo/network_file.h).
inline constexpr const char *model_key = "weft.model", *space_key = "weft.space",
                            *architecture_key = "weft.architecture";
/// The tensor that every shard of a zoo has.
inline constexpr const char* shard_tensor = "table.id";

/// What a file of tensors (SafeTensors or TensorFile) holds and who takes it, for a message: "a model (magep): ...".
template <class File>
std::string file_kind(const File& file);
extern template std::string file_kind(const SafeTensors&);
extern template std::string file_kind(const TensorFile&);

}  // namespace weft
