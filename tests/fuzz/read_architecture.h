#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "weft/core/error.h"
#include "weft/networks/files/file_space.h"
#include "weft/networks/files/template.h"

namespace weft::testing {

/// The file's tensors of a text; what is read must be written so that it reads as the same. Nothing for a text that no
/// limit refuses but that takes more time than a fuzzer has.
inline FileShapes tensors_in(const ExpandedText& expanded) {
  constexpr std::size_t longest = 1 << 15;
  if (expanded.text.size() > longest) return {};
  FileText text = FileText::parse(expanded.text, expanded.lines);
  const std::string written = text.str();
  if (FileText::parse(written).str() != written) __builtin_trap();
  FileShapes shapes;
  for (const FileEntry& file : FileSpace::of(std::move(text)).files)
    for (const std::string& name : file.names) shapes.emplace(name, file.shape);
  return shapes;
}

/// A text of an architecture and, behind a line "---", a config: any bytes are the text of a file's tensors or throw
/// ParseError, or FormatError for the config. Its tensors then stand for a file of which no config tells
/// anything.
inline void read_architecture(std::string_view input) {
  const std::string_view between = "\n---\n";
  const std::size_t end = std::min(input.find(between), input.size()), behind = end + between.size();
  const Json config = behind >= input.size() ? Json(Json::Object{}) : Json::parse(input.substr(behind));
  const Template text = Template::parse(input.substr(0, end));
  const FileFacts file{tensors_in(text.expanded(config)), {}};
  tensors_in(text.expanded(Json(Json::Object{}), file));
}

}  // namespace weft::testing
