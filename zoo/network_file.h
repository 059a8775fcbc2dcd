#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "weft/groups/space.h"
#include "weft/io/tensor_file.h"
#include "weft/networks/files/file_architecture.h"

namespace weft {

/// How a file is to be read, where it does not say so itself.
struct NetworkReading {
  /// Of a file whose tensors have its names; of one that names a space itself, the one that it must be.
  std::optional<Space> space = {};
  std::optional<ArchitectureText> architecture = {};  ///< else the file finds its own
  std::optional<Json> config = {};                    ///< else what lies beside the file
};

/// A file with a network, and how its tensors are those of a space. A handle: its numbers are read when they are asked
/// for.
struct NetworkSource {
  TensorFile file;
  FoundArchitecture architecture;         ///< without a name where the tensors are those of the space as they are
  DType dtype = DType::f32;               ///< of weight(): float64 where the space needs a tensor of that type
  NumberType coarsest = NumberType::f64;  ///< the type that rounds most, of the tensors that the space needs

  /// The space that the file names; else the architecture asked for, or the one that the file names; else the given
  /// space, if the file has its tensors; else the architecture that fits. Throws DiskError; FormatError for a file that
  /// is no network, for a space that is not the expected one, for names, types and shapes that are not those of the
  /// space or of any architecture; UsageError for the file's architecture, if weft has none of that name.
  static NetworkSource open(const std::filesystem::path& path, const NetworkReading& reading = {});
  /// The same of a file that is open, without looking for a config.
  static NetworkSource of(TensorFile file, const NetworkReading& reading = {});

  const Space& space() const { return architecture.files.space; }
  /// Before its weights are moved: throws FormatError where the file has weights beside the network, which may read
  /// what moves, and where its config says that it is of another architecture, unless that was asked for.
  void require_known() const;
  /// A feature of one network, [1, taps, axes…]; a view into the file where that holds such numbers, so clone() it
  /// before writing. Throws FormatError for numbers that are not finite, or corrupt, and for
  /// copies of a tensor that are tied and differ.
  Tensor weight(int tensor) const;
};

/// One network in a file of any format that TensorFile reads. A file of weft's own has the tensors of a space by their
/// names, each [axes…] or [taps, axes…], and the text of the space in its metadata as "weft.space"; others are read
/// through the text of their architecture (spec 8.6).
struct NetworkFile {
  Space space;
  /// In the order of the space, features of one network, [1, taps, axes…]: float32, or float64. Those of a source may
  /// be views into its file: clone() them before writing.
  std::vector<Tensor> weights;
  Metadata metadata = {};  ///< the rest of it, without keys that begin with "weft."
  std::shared_ptr<const NetworkSource> source = {};

  /// Writes it, complete or not at all: with the names, types and order of its source, or where there is none as a file
  /// of weft's own, tensors without taps as [axes…]. Throws DiskError, ShapeError, DtypeError; NumericError for a
  /// weight that is not finite, or beyond the range of the source's type.
  void save(const std::filesystem::path& path) const;

  /// All of a source. Throws as it does.
  static NetworkFile load(const std::filesystem::path& path, const NetworkReading& reading = {}) {
    return of(NetworkSource::open(path, reading));
  }
  static NetworkFile of(NetworkSource source);
};

/// The text of its space, or of an architecture "gpt2, 148 tensors, a group of dimension 240".
std::string in_words(const NetworkFile& network);

}  // namespace weft
