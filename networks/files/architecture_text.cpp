#include "weft/networks/files/architecture_text.h"

#include <algorithm>
#include <mutex>

#include "weft/core/error.h"

namespace weft {

/// Made by the build (cmake/WeftTexts.cmake): name, text, …, null.
extern const char* const shipped_architecture_texts[];

struct ArchitectureText::Once {
  std::once_flag flag;
  Template parsed;
};

ArchitectureText::ArchitectureText(std::string own_name, std::string own_text)
    : name(std::move(own_name)), text(std::move(own_text)), once_(std::make_shared<Once>()) {}

const Template& ArchitectureText::parsed() const {
  try {
    std::call_once(once_->flag, [this] { once_->parsed = Template::parse(text); });
  } catch (const ParseError& error) {
    throw ParseError("architecture '{}': {}", name, error.what());
  }
  return once_->parsed;
}

const std::vector<ArchitectureText>& architecture_texts() {
  static const std::vector<ArchitectureText> texts = [] {
    std::vector<ArchitectureText> out;
    for (const char* const* at = shipped_architecture_texts; *at; at += 2) out.emplace_back(at[0], at[1]);
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return out;
  }();
  return texts;
}

ArchitectureText architecture_text(std::string_view name) {
  if (name.ends_with(folded_suffix)) {
    ArchitectureText folded = architecture_text(name.substr(0, name.size() - folded_suffix.size()));
    folded.folded = true;
    return folded;
  }
  std::string names;
  for (const ArchitectureText& text : architecture_texts()) {
    if (text.name == name || text.parsed().is_model(name)) return text;
    names += (names.empty() ? "" : ", ") + text.name;
  }
  throw UsageError("[architecture] no architecture '{}'; there are: {}", name, names);
}

}  // namespace weft
