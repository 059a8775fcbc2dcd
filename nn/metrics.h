#pragma once

#include <span>

#include "weft/core/tensor.h"

namespace weft {

/// Kendall's tau-b: (concordant - discordant) / sqrt((pairs - ties in a) (pairs - ties in b)), in O(n log n) (Knight
/// 1966). 0 when one side is constant. Throws ShapeError for different lengths, NumericError for a NaN.
double kendall_tau_b(std::span<const double> a, std::span<const double> b);
/// Of the numbers of two float tensors, in their order.
double kendall_tau_b(const Tensor& a, const Tensor& b);

/// The largest tau-b that any prediction without ties can reach against `truth`: its own ties are the ceiling.
/// Throws NumericError for a NaN.
double kendall_ceiling(std::span<const double> truth);

}  // namespace weft
