#pragma once
// What a file's network is, for people and programs: its architecture, its tensors' axes, its group.

#include <string>
#include <vector>

#include "weft/io/json.h"
#include "weft/zoo/network_file.h"

namespace weft {

/// What the tensors of one entry of a file are in the space.
struct EntryDescription {
  const FileEntry* entry;          ///< of the source
  std::string own;                 ///< the name of its text; of tensors of a space as they are its own
  std::string type;                ///< of its numbers: "F16"
  std::vector<std::string> names;  ///< of the space's tensors
  std::vector<std::string> axes;   ///< theirs, as the space's text has them: "[h, in*; taps=3x3]"
};
std::vector<EntryDescription> described_entries(const NetworkSource& source);
std::vector<EntryDescription> described_entries(const NetworkSource&&) = delete;

/// An object: format, architecture, told_by_the_file, notes, parameters, dimension, tensors, factors, not_covered,
/// space.
Json describe(const NetworkSource& source);

}  // namespace weft
