#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/core/shape.h"
#include "weft/io/number_type.h"

namespace weft {

/// One tensor of a safetensors file: its bytes are [begin, end) of the data part.
struct SafeTensorsEntry {
  std::string name;
  NumberType type = NumberType::f32;
  Shape shape;
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Which types of numbers a reader takes: weft's own four, or all that files have.
enum class SafeTensorsTypes : std::uint8_t { weft, all };

/// The checked header of a safetensors file:
///   8 bytes      length n of the header, little-endian
///   n bytes      a JSON object, padded with spaces: {"name": {"dtype", "shape", "data_offsets": [begin, end]}, ...,
///                "__metadata__": {"key": "text", ...}}
///   the rest     data: the tensors, row-major, without gaps
struct SafeTensorsHeader {
  static constexpr std::size_t max_bytes = 100'000'000;
  static constexpr std::string_view metadata_key = "__metadata__";

  std::vector<SafeTensorsEntry> entries;  ///< in the order of the header
  std::map<std::string, std::size_t, std::less<>> index;
  std::map<std::string, std::string> metadata;
  std::size_t data_begin = 0;

  /// Reads and checks the header of a whole file; `file` names it in messages. Memory is bounded by a small multiple of
  /// the header's length, the stack by a constant. Throws FormatError, one message for each rule of the format.
  static SafeTensorsHeader parse(std::span<const std::byte> bytes, std::string_view file,
                                 SafeTensorsTypes types = SafeTensorsTypes::weft);

  /// The text for entries and metadata, with its length in front and padded so that data starts at a multiple of 64.
  /// Throws UsageError for text that is not UTF-8 and a header longer than max_bytes.
  static std::string format(std::span<const SafeTensorsEntry> entries,
                            const std::map<std::string, std::string>& metadata);
};

/// A header of entries whose names, types and shapes are given, and the order of their data: by the size of a number,
/// largest first, so that readers can map every tensor. Throws UsageError for empty, repeated or reserved names, and as
/// SafeTensorsHeader::format does.
struct SafeTensorsLayout {
  SafeTensorsLayout(std::vector<SafeTensorsEntry> entries, const std::map<std::string, std::string>& metadata);

  std::string header;
  std::vector<std::size_t> order;  ///< positions of the entries
};

}  // namespace weft
