#pragma once

#include <filesystem>

#include "weft/groups/element.h"

namespace weft {

/// Writes an element as a safetensors file: for each factor that moves `FACTOR.order` (int32; FACTOR.order[j][i] is
/// where place i of copy j takes its numbers from), `.scale`, `.matrix`, `.re`, `.im` (float64), each [copies, n] (of
/// matrices [copies, n, n], of pairs [copies, n / 2]), as ElementPart has them, and the space's text in the metadata
/// as "weft.space". Complete or not at all. Throws DiskError.
void save_element(const std::filesystem::path& path, const Element& g);

/// Reads such a file, of any format and type of numbers, for a space; what it lacks is the identity. An axis of one
/// copy may be left out. Throws DiskError; FormatError for names and shapes that are not those of the space, an order
/// that is no permutation, a matrix without an inverse, and scales that the factor's kind does not have.
Element load_element(const std::filesystem::path& path, const Space& space);

}  // namespace weft
