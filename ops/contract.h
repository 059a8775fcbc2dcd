#pragma once
// Sums of products of two tensors, by index text: an einsum subset that runs as batched matrix products.

#include <optional>
#include <string_view>

#include "weft/autograd/tape.h"
#include "weft/ops/pointwise_kernels.h"

namespace weft {

struct ContractOptions {
  /// Applied to the result, in the product's epilogue; its derivative must follow from its output.
  std::optional<UnaryOp> activation;
};

/// y = act(Σ a b (+ bias)) by index text: "bi,oi->bo", "nbi,noi+no->nbo" (with a bias over n and o). Each letter is one
/// axis; a letter of the result stands in a factor; a letter in both factors and the result is a batch, in both factors
/// only is summed, in one factor only is summed too. Letters are not repeated within a tensor.
/// vjp   ga = Σ gy' b, gb = Σ gy' a, gbias = Σ gy', gy' = gy act'(y)     saves a, b (and y with an activation)
/// type  spec 1.5, 8.4: summed pairs have one root and degrees that cancel, opposite roles, or are self-dual; axes per
///       head with their heads aligned; of a batch letter degrees add; a bias has the result's type and is broadcast
///       over permutation, fixed or free axes only
/// cost  2 x product of the sizes of all letters, in flops
/// Throws ShapeError for text or sizes that do not fit, TypeError by the rules above, UsageError for an activation that
/// needs its input.
Var contract(std::string_view text, const Var& a, const Var& b, const ContractOptions& options = {});
Var contract(std::string_view text, const Var& a, const Var& b, const Var& bias, const ContractOptions& options = {});

}  // namespace weft
