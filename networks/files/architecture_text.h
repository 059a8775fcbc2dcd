#pragma once
// The texts of architectures that weft has, networks/architectures/*.weft, by their names there (spec 8.7).

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weft/networks/files/template.h"

namespace weft {

class ArchitectureText {
 public:
  ArchitectureText(std::string own_name, std::string own_text);

  std::string name;  ///< "gpt2"
  std::string text;

  /// The text as it was given, read when this is first called, by one thread. Throws ParseError, naming the
  /// architecture.
  const Template& parsed() const;

 private:
  struct Once;
  std::shared_ptr<Once> once_;  ///< of all copies
};

/// All of them, by name.
const std::vector<ArchitectureText>& architecture_texts();
/// Throws UsageError for an unknown one, naming those there are.
const ArchitectureText& architecture_text(std::string_view name);

}  // namespace weft
