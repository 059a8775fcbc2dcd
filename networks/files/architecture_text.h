#pragma once
// The texts of architectures that weft has, networks/architectures/*.weft, by their names there (spec 8.7).

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weft/networks/files/template.h"

namespace weft {

/// What the name of a network's architecture ends with once it is folded.
inline constexpr std::string_view folded_suffix = "_folded";

class ArchitectureText {
 public:
  ArchitectureText(std::string own_name, std::string own_text);

  std::string name;  ///< "gpt2"
  std::string text;
  bool folded = false;  ///< meant is a network of this text once it is folded (spec 8.9): "gpt2_folded"

  /// "gpt2", or "gpt2_folded".
  std::string network_name() const { return name + std::string(folded ? folded_suffix : ""); }
  /// The text as it was given, read when this is first called, by one thread. Throws ParseError, naming the
  /// architecture.
  const Template& parsed() const;

 private:
  struct Once;
  std::shared_ptr<Once> once_;  ///< of all copies
};

/// All of them, by name.
const std::vector<ArchitectureText>& architecture_texts();
/// Also "NAME_folded" of one with folds. Throws UsageError for an unknown one, naming those there are.
ArchitectureText architecture_text(std::string_view name);

}  // namespace weft
