#pragma once
// A space whose tensors are windows of a file's tensors (spec 8.1, 8.6): what is fused in the file, as queries, keys
// and values in one matrix, are tensors of their own in the space.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weft/core/strided_runs.h"
#include "weft/networks/files/file_text.h"

namespace weft {

/// What of a file's axis is in the space: its places; or of vectors over D places what is in a basis of those of sum 0,
/// D - 1 numbers, where the sum must be 0 or is in another window; or the sum, no axis of the space.
enum class AxisPart : std::uint8_t { places, centred, beside_sum, sum };

struct WindowAxis {
  std::int64_t size, stride;  ///< of the file
  AxisPart part = AxisPart::places;
  bool operator==(const WindowAxis&) const = default;
};

/// Where one tensor of the space lies: number [i, j, …] of it is number offset + i stride_0 + j stride_1 + … of the
/// file's tensor. Axes: the taps where there are several, then those of the space. Along an axis of stride 0, always
/// the first, each place is a tensor of the file of its own.
struct Window {
  int file = 0;  ///< position in FileSpace::files
  std::int64_t offset = 0;
  std::vector<WindowAxis> axes;
  bool operator==(const Window&) const = default;
};

/// One tensor of the file, or one for each place of a factor.
struct FileEntry {
  std::vector<std::string> names = {};  ///< of the tensor, or of the place's
  Shape shape = {};
  bool optional = false;
  std::int64_t plus = 0;
  std::vector<std::string> ties = {};         ///< names of copies that a file may hold
  bool indexed = false;                       ///< one for each place
  std::optional<std::int64_t> constant = {};  ///< what all its numbers are, where it has no window
};

struct FileSpace {
  Space space;
  std::vector<Window> windows;   ///< of each tensor of the space, in its order
  std::vector<FileEntry> files;  ///< in the order of the text; their windows tile them
  FileText text;

  /// Throws ParseError for a text that cannot be read, that leaves a size open, names a file's tensor twice, or is no
  /// space (Space::parse); for more than 1024 windows of one tensor, or more than 6 axes of one.
  static FileSpace parse(std::string_view text) { return of(FileText::parse(text)); }
  static FileSpace of(FileText text);
  /// Of files that have the tensors of a space as they are, under their names.
  static FileSpace of(const Space& space);

  /// Without the optional tensors, and the copies, that a file lacks, and folds of such.
  FileSpace present(const std::function<bool(const std::string& name)>& holds) const;
  /// The same tensors, which the file has under other names.
  FileSpace renamed(const std::function<std::string(const std::string& name)>& name) const;
};

}  // namespace weft
