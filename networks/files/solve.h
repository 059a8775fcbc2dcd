#pragma once
// Sizes that a text leaves open, out of the shapes of a file's tensors (spec 8.8).

#include <map>
#include <string>

#include "weft/networks/files/file_text.h"
#include "weft/networks/files/template.h"

namespace weft {

/// The text with every size that the shapes tell: axis by axis, as long as that tells another one. `told` gets the
/// names and their values, and holds those that are known. What no shape tells stays open; whether all shapes agree is
/// not asked.
FileText solved(FileText text, const FileShapes& shapes, std::map<std::string, Json>& told);

}  // namespace weft
