#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "weft/io/safetensors.h"

namespace weft {

/// A model on disk: a safetensors file with its parameters by name and, in the metadata,
///     weft.model    the kind of model: "magep"
///     weft.schema   version of what the kind's config means, 1 now
///     weft.config   a JSON object: everything else that is needed to build the model again
class Checkpoint {
 public:
  static constexpr int schema = 1;

  /// Writes it, complete or not at all. More metadata may be given; keys that begin with "weft." are taken. Throws
  /// DiskError; UsageError for a config that is no JSON object, and as save_safetensors does; NumericError for a
  /// parameter that is not finite.
  static void save(const std::filesystem::path& path, const std::string& kind, const std::string& config,
                   std::span<const NamedTensor> tensors, Metadata metadata = {});

  /// Throws DiskError; FormatError for a safetensors file that is no model, one of another schema, a config that is no
  /// JSON object, all naming the file.
  static Checkpoint open(const std::filesystem::path& path);
  /// The same for a file that is read already; `path` names it in messages.
  static Checkpoint of(const std::filesystem::path& path, SafeTensors file);

  const std::string& kind() const { return kind_; }
  const std::string& config() const { return config_; }
  const Metadata& metadata() const { return file_.metadata(); }
  /// Throws UsageError for a name that the file does not have.
  Tensor tensor(std::string_view name) const { return file_.tensor(name); }

  /// float64 for a tensor of it; float32 for any other, which check() refuses unless it is.
  DType float_dtype(std::string_view name) const;

  /// Throws FormatError when the file has other names than these, or a shape or dtype differs; NumericError for a value
  /// that is not finite. A model that asks here first takes no more memory than its file has numbers.
  void check(std::span<const SafeTensorsEntry> tensors) const;
  /// Copies every tensor into the one of the same name. Throws what check() throws; nothing is copied then.
  void load(std::span<const NamedTensor> into) const;

 private:
  Checkpoint(std::string path, SafeTensors file) : path_(std::move(path)), file_(std::move(file)) {}
  std::string path_;
  SafeTensors file_;
  std::string kind_, config_;
};

}  // namespace weft
