#pragma once
// A network at one point of its orbit under shifts, and with norms in what reads them (spec 8.9): the same function in
// a space with a larger linear group.

#include <map>
#include <string>
#include <vector>

#include "weft/core/tensor.h"
#include "weft/networks/files/find.h"

namespace weft {

struct Folded {
  FileSpace files;                     ///< of the folded network, by the file's names; it has no folds
  std::vector<Tensor> weights;         ///< of its space
  std::vector<std::string> done;       ///< what was folded, in words; empty where the network was folded already
  std::map<std::string, Json> config;  ///< what its config says now: "tie_word_embeddings", false
};

/// `weights` are those of found.files (read_windows), and stay as they are. What the text's folds say is done in their
/// order, streams last. A copy that a fold unties becomes a tensor of its own in the folded network's file. Folded
/// again, nothing changes. Throws UsageError for weights of another space and folds that do not fit their tensors,
/// ParseError where no space is left.
Folded fold(const FoundArchitecture& found, const std::vector<Tensor>& weights);

}  // namespace weft
