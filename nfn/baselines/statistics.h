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
/// Throws ShapeError for weights that are no networks of the space, NumericError for one that is not finite.
Tensor weight_statistics(const Space& space, std::span<const Tensor> weights);

/// Networks in balance, and how they came there: the element that carries the given networks there.
struct Balance {
  std::vector<Tensor> weights;  ///< float64, shaped as the given ones
  std::vector<Tensor> scales;   ///< per factor [n, size], 0 for dead neurons; undefined for factors of other kinds
};

/// The same networks with every hidden neuron rescaled until its incoming weights (with bias) and its outgoing weights
/// have equal norms: sweeps over the factors, factor sqrt(|out| / |in|), until none differs from 1 by more than 1e-10.
/// Networks that differ by positive scales become equal. A neuron without incoming or without outgoing weights computes
/// nothing: both sides become 0.
/// Throws ShapeError for weights that are no networks of the space; TypeError for a space without positive_monomial
/// factors, with one per heads, or where a tensor carries one twice; NumericError (naming the network) for weights that
/// are not finite, or whose squares are not, and when it does not settle.
Balance balance(const Space& space, std::span<const Tensor> weights);
/// Its weights alone.
std::vector<Tensor> balanced(const Space& space, std::span<const Tensor> weights);
/// Whether networks of the space have a balance.
bool can_balance(const Space& space);

}  // namespace weft
