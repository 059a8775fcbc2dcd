#pragma once
// Raw weights brought to the size that a functional network's start values are made for.

#include <span>
#include <vector>

#include "weft/groups/space.h"
#include "weft/nn/parameters.h"

namespace weft {

/// y = s x, s one number per tensor of the space, 1 or taken from networks: an untrained parameter ("scale":
/// [tensors]). Commutes with every group. A zoo's biases are a fraction of its weights, and sums over a whole matrix
/// would drown what they say.
class InputScale {
 public:
  InputScale(Parameters& parameters, const Space& space);

  /// From now on the numbers of tensor t have the root mean square sizes[t] over these networks; a tensor of zeros
  /// stays. weights: one feature per tensor, [n, taps, axes…], on the CPU. Throws NumericError for numbers that are not
  /// finite.
  void fit(const Parameters& parameters, std::span<const Tensor> weights, std::span<const double> sizes) const;
  /// Scaled copies, on the CPU.
  std::vector<Tensor> operator()(const Parameters& parameters, std::span<const Tensor> weights) const;

 private:
  Space space_;
  int scale_;
};

}  // namespace weft
