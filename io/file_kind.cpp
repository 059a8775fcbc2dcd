#include "weft/io/file_kind.h"

#include <fmt/format.h>

#include "weft/io/text.h"

namespace weft {

template <class File>
std::string file_kind(const File& file) {
  if (const auto model = file.metadata().find(model_key); model != file.metadata().end())
    return fmt::format("a model ({}): weft eval, predict, edit and verify take it as --model",
                       in_quotes(model->second));
  if (file.contains(shard_tensor))
    return "a part of a zoo: --zoo takes its folder, and weft zoo export takes one network out of it";
  if (file.contains("fit.values")) return "what a training goes on from: weft train --resume takes its folder";
  if (file.metadata().contains(space_key)) return "a network: weft inspect, act, same and predict --network take it";
  return "a file with tensors " + file.listing();
}

template std::string file_kind(const SafeTensors&);
template std::string file_kind(const TensorFile&);

}  // namespace weft
