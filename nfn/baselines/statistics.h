#pragma once
// What the statistical baselines read instead of the weights (spec 4.4).

#include <span>
#include <vector>

#include "weft/core/tensor.h"
#include "weft/groups/space.h"

namespace weft {

inline constexpr std::int64_t statistics_per_tensor = 7;

/// Of every tensor apart, over all of its entries (taps, heads and axes pooled): mean, biased variance, and the
/// quantiles 0, ¼, ½, ¾, 1 with linear interpolation.
/// weights: one feature per tensor of the space, [n, taps, axes…], float32 or float64
/// returns  [n, 7 x tensors] of the weights' dtype, tensor after tensor, computed in float64
/// Throws ShapeError for weights that are no networks of the space.
Tensor weight_statistics(const Space& space, std::span<const Tensor> weights);

/// The same networks with every hidden neuron rescaled until its incoming weights (with bias) and its outgoing weights
/// have equal norms: sweeps over the factors, factor sqrt(|out| / |in|), until none differs from 1 by more than 1e-10.
/// Networks that differ by positive scales become equal. A neuron without incoming or without outgoing weights computes
/// nothing: both sides become 0.
/// returns  float64, shaped as `weights`
/// Throws TypeError for a space without positive_monomial factors, with one per heads, or where a tensor carries one
/// twice; NumericError (naming the network) when it does not settle.
std::vector<Tensor> balanced(const Space& space, std::span<const Tensor> weights);

}  // namespace weft
