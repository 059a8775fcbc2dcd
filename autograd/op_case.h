#pragma once
// One case of an operation: data that every mode of the runner reads (value, vjp, equivariance, refusal, perf). Cases
// stand beside their op.

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "weft/autograd/tape.h"
#include "weft/core/op_range.h"

namespace weft {

struct OpCase {
  std::string name;  ///< "contract bi,oi->bo"
  /// Inputs: tensors of `space` (features of batch 2 and 5 channels) when it is given, else plain tensors of `shapes`.
  std::string space;
  std::vector<std::string> tensors;
  std::vector<Shape> shapes;
  OpRange range{-2, 2};
  std::function<Var(Tape&, std::span<const Var>)> run;
  /// The value in float64, written without the op's machinery.
  std::function<std::vector<double>(std::span<const Tensor>)> reference;
  /// The tensor of `space` as which the result transforms; empty for a result on which no group acts.
  std::string result;
  /// The exact message when the op must be refused here; run without types, a random element must then break
  /// equivariance.
  std::string refusal;
  double flops = 0;  ///< of one forward pass, for perf mode
};

}  // namespace weft
