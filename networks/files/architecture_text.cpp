#include "weft/networks/files/architecture_text.h"

#include <algorithm>

#include "weft/core/error.h"

namespace weft {

/// Made by the build (cmake/WeftTexts.cmake): name, text, …, null.
extern const char* const shipped_architecture_texts[];

Template ArchitectureText::parsed() const {
  try {
    return Template::parse(text);
  } catch (const ParseError& error) {
    throw ParseError("architecture '{}': {}", name, error.what());
  }
}

const std::vector<ArchitectureText>& architecture_texts() {
  static const std::vector<ArchitectureText> texts = [] {
    std::vector<ArchitectureText> out;
    for (const char* const* at = shipped_architecture_texts; *at; at += 2) out.push_back({at[0], at[1]});
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return out;
  }();
  return texts;
}

const ArchitectureText& architecture_text(std::string_view name) {
  std::string names;
  for (const ArchitectureText& text : architecture_texts()) {
    if (text.name == name || text.parsed().is_model(name)) return text;
    names += (names.empty() ? "" : ", ") + text.name;
  }
  throw UsageError("[architecture] no architecture '{}'; there are: {}", name, names);
}

}  // namespace weft
