#pragma once

#include <filesystem>
#include <memory>

#include "weft/io/checkpoint.h"
#include "weft/nfn/models/reader.h"

namespace weft {

/// Writes a model as a checkpoint (io/checkpoint.h), complete or not at all: every parameter by name; the config holds
/// its settings, the text of the space, and the number of outputs unless it is 1. Throws what Checkpoint::save throws.
void save_model(const std::filesystem::path& path, const Reader& model, Metadata metadata = {});

/// A saved model, its parameters converted to `dtype`, on the CPU or a device.
struct LoadedModel {
  std::unique_ptr<Reader> model;
  Metadata metadata;
};
/// Throws what Checkpoint::open and load throw; FormatError for a config that is incomplete.
LoadedModel load_model(const std::filesystem::path& path, DType dtype = DType::f32, Backend* backend = nullptr);
/// The same of a file that is read already; `path` names it in messages.
LoadedModel load_model(const std::filesystem::path& path, const Checkpoint& file, DType dtype = DType::f32,
                       Backend* backend = nullptr);

}  // namespace weft
