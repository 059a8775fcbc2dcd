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
    for (const char* const* at = shipped_architecture_texts; *at; at += 2) out.push_back({at[0], at[1], false});
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return out;
  }();
  return texts;
}

const ArchitectureText& architecture_text(std::string_view name) {
  static constexpr std::string_view suffix = "_folded";
  if (name.ends_with(suffix)) {
    static const std::vector<ArchitectureText> folded = [] {
      std::vector<ArchitectureText> out;
      for (const ArchitectureText& text : architecture_texts()) out.push_back({text.name, text.text, true});
      return out;
    }();
    const std::string& raw = architecture_text(name.substr(0, name.size() - suffix.size())).name;
    for (const ArchitectureText& text : folded)
      if (text.name == raw) return text;
  }
  std::string names;
  for (const ArchitectureText& text : architecture_texts()) {
    if (text.name == name || text.parsed().is_model(name)) return text;
    names += (names.empty() ? "" : ", ") + text.name;
  }
  throw UsageError("[architecture] no architecture '{}'; there are: {}", name, names);
}

}  // namespace weft
