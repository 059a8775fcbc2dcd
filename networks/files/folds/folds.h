#pragma once
// What folds do to the numbers (spec 8.9), a file each. Each does one statement of a text for one of its names, keeps
// what the network computes, and says in words what it did, or nothing where there was nothing to do.

#include <string>

#include "weft/networks/files/fold_text.h"
#include "weft/networks/files/folds/numbers.h"

namespace weft {

/// Weight and bias of a norm into what reads it. Readers of a LayerNorm, whose output has mean 0, get mean 0 over their
/// inputs; readers without a bias instead the mean that, with a bias of ones in the norm, is what it added.
std::string fold_norm(FoldedNumbers& net, const FoldText& fold, const std::string& of);

/// A batch norm as it is in evaluation into the convolution in front of it.
std::string fold_batch_norm(FoldedNumbers& net, const FoldText& fold, const std::string& of);

/// What nothing depends on becomes 0.
std::string fold_zero(FoldedNumbers& net, const FoldText& fold, const std::string& of);

/// A bias into those behind what reads it, and into others that are added to the same.
std::string fold_move(FoldedNumbers& net, const FoldText& fold, const std::string& of);

/// A mean that nothing depends on becomes 0; or is added to another tensor.
std::string fold_mean(FoldedNumbers& net, const FoldText& fold, const std::string& of);

/// What is written into a stream that only LayerNorms read gets mean 0.
std::string fold_centred_stream(FoldedNumbers& net, const FoldText& fold, const std::string& of);

}  // namespace weft
