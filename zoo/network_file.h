#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "weft/groups/space.h"
#include "weft/io/safetensors.h"

namespace weft {

/// One network in a safetensors file: its tensors by the names of its space, each [axes…] or [taps, axes…], float32,
/// and the text of the space in the metadata as "weft.space".
struct NetworkFile {
  Space space;
  std::vector<Tensor> weights;  ///< in the order of the space: float32 [1, taps, axes…], features of one network
  Metadata metadata;            ///< the rest of it, without keys that begin with "weft."

  /// Writes it, complete or not at all; tensors without taps as [axes…]. Throws DiskError, ShapeError, DtypeError;
  /// NumericError for a weight that is not finite.
  void save(const std::filesystem::path& path) const;

  /// `expected` is the space that it must be in; then the file need not name its own, so that any tool may write it.
  /// Throws DiskError; FormatError for a space that is missing or not the expected one, for names, shapes and dtypes
  /// that are not those of the space; NumericError for a weight that is not finite.
  static NetworkFile load(const std::filesystem::path& path, const std::optional<Space>& expected = {});
  /// The same of a file that is read already; `path` names it in messages.
  static NetworkFile of(const std::filesystem::path& path, const SafeTensors& file,
                        const std::optional<Space>& expected = {});
};

}  // namespace weft
