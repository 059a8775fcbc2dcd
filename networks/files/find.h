#pragma once
// Which architecture a file's network has (spec 8.8): the text that says all of its tensors.

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "weft/networks/files/architecture_text.h"
#include "weft/networks/files/file_space.h"
#include "weft/networks/files/stored_names.h"

namespace weft {

struct FoundArchitecture {
  std::string name;                      ///< "llama"
  FileSpace files;                       ///< what the file has of the text, by the file's names
  std::map<std::string, Json> told;      ///< what was read off names and shapes: "labels"
  std::string doubt = {};                ///< the config's model_type, where the text is of others
  std::vector<std::string> beside = {};  ///< weights of the file that are no part of it, and no copy of a part
  /// The same network with a copy as a tensor of its own, where a fold of the text unties it; or null.
  std::shared_ptr<const FoundArchitecture> untied = {};
  /// Of that one: what its own tensors were copies of, by the text's names.
  std::map<std::string, std::string> copies = {};
};

/// Where a text and a file differ, by the file's names.
struct ArchitectureDifference {
  std::vector<std::string> missing, extra, shapes;  ///< "name [2, 3], the text says [3, 2]"
  std::string open;     ///< what neither config nor shapes tell, where names fit: an error's message
  bool unread = false;  ///< the text cannot be expanded at all: `open` says why, and nothing is compared

  std::size_t count() const { return missing.size() + extra.size() + shapes.size(); }
  bool nearer_than(const ArchitectureDifference& other) const {
    return std::pair(unread, count()) < std::pair(other.unread, other.count());
  }
  bool none() const { return count() == 0 && open.empty(); }
  /// "the file lacks 'a', 'b' and 3 more; it has 'c', which the text has not; 'd' is [2], the text says [3]"
  std::string str() const;
};

/// The file as one of this text, or where they differ. Throws ParseError for a text that cannot be read.
std::optional<FoundArchitecture> fitted(const StoredNetwork& network, const ArchitectureText& text,
                                        ArchitectureDifference& difference);

/// The one of these texts that fits: all of the file's weights are in it, or match its ignored patterns, and all that
/// it requires is there. A text that names the config's "model_type" comes before others. Throws FormatError for none,
/// saying which is nearest and what differs; for one whose names fit but whose sizes are not told; for several, listing
/// them.
FoundArchitecture found_architecture(const StoredNetwork& network,
                                     std::span<const ArchitectureText> texts = architecture_texts());

}  // namespace weft
