#pragma once
// The text of a folded network, out of the raw one and its folds (spec 8.9).

#include <string>

#include "weft/networks/files/file_text.h"

namespace weft {

/// Norms that are folded are 1, so that their factors go; a stream whose norms all are, and that a fold names, becomes
/// orthogonal. What is left has no folds. Throws ParseError for folds that the types of the tensors do not allow, as of
/// a stream that another factor still scales.
FileText folded_text(FileText text);

/// "blocks.0.fc.bias" of "blocks.0.fc.weight", in the middle of a name too; nothing where no part of it is "weight".
std::string bias_name(const std::string& weight);

/// The factor of a norm: what stands in all that it scales and its readers take back. `gain` is its weight.
int factor_of_norm(const FoldText& fold, const TensorText& gain);

/// Position by name, or -1.
int tensor_of(const FileText& text, const std::string& name);

}  // namespace weft
