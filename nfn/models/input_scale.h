#pragma once
// Raw weights brought to the size that a functional network's start values are made for.

#include <span>
#include <vector>

#include "weft/groups/space.h"
#include "weft/nn/module.h"

namespace weft {

/// y = s x, s one number per tensor of the space, 1 or taken from networks: an untrained parameter of the model
/// ("name": [tensors]). Commutes with every group. A zoo's biases are a fraction of its weights, and sums over a whole
/// matrix would drown what they say.
class InputScale {
 public:
  InputScale(const Module& model, std::string_view name, const Space& space);

  /// From now on the numbers of tensor t have the root mean square sizes[t] over these networks; a tensor of zeros
  /// stays. weights: one feature per tensor, [n, taps, axes…], on the CPU. Throws NumericError for numbers that are not
  /// finite.
  void fit(std::span<const Tensor> weights, std::span<const double> sizes) const;
  /// Scaled copies, on the CPU.
  std::vector<Tensor> operator()(std::span<const Tensor> weights) const;

 private:
  Module model_;
  Space space_;
  int scale_;
};

}  // namespace weft
