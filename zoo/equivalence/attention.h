#pragma once
// Do two attention modules compute the same function, for every input? (spec 1.3)

#include <optional>

#include "weft/core/tensor.h"
#include "weft/groups/element.h"

namespace weft {

/// WQ, WK [h, D, Dk], WV [h, D, Dv], WO [h, Dv, D] of spec 1.2; float32 or float64.
struct AttentionModule {
  Tensor q, k, v, o;
};

struct AttentionEquivalenceOptions {
  double tolerance = 1e-8;  ///< relative difference of products that are taken for equal
  /// Relative rounding of the stored weights: differences that it explains count for nothing. 2^-24 for weights that
  /// were ever float32.
  double rounding = 0x1p-53;
  bool after_norm = false;  ///< the module stands behind a LayerNorm without affine part: tokens of mean zero
};

/// An input on which two modules differ, with what they make of it in float64: X -> MHA(X), or MHA(LN(X)) after a norm.
struct AttentionWitness {
  Tensor x, y_a, y_b;     ///< [n, D]
  double difference = 0;  ///< largest |y_a - y_b| over the largest |y|
};

/// An element of attention_space() that carries a to b.
struct AttentionElement {
  Element element;
  double residual = 0;   ///< largest ||g a - b|| / ||b|| of the four tensors (after a norm: of what it leaves)
  double condition = 1;  ///< the largest condition number of its matrices
};

struct AttentionEquivalence {
  bool same = false;
  /// Where both have the same sizes and are generic (spec 1.3). Modules that are not may be the same function and yet
  /// not one element apart.
  std::optional<AttentionElement> element;
  /// Where they differ: by more than float64 rounds in their forward passes. Missing only if they differ by less.
  std::optional<AttentionWitness> witness;
};

/// Decides it from the products A_i = WQ_i WK_i^T / sqrt(Dk) and B_i = WV_i WO_i: heads of both modules with equal A
/// form a group, and the modules are one function if and only if in every group a's sum of B equals b's. h, Dk and Dv
/// may differ, any product may have any rank or vanish. After a norm A is projected with I - 11^T/D on both sides, B on
/// its input side.
///
/// A_i equals A_j when ||A_i - A_j|| <= tolerance max(||A_i||, ||A_j||) + 64 rounding max(||WQ|| ||WK|| / sqrt(Dk)), in
/// Frobenius norms: relative to the pair, so that no large head hides what a small one does. Two sums are equal when
/// they differ by at most tolerance times the largest ||B_i|| of the group + 64 rounding times the sum of its ||WV||
/// ||WO||. Products with a norm below 1e-150 count as zero.
///
/// Differences are formed from the factors without cancellation, D x D products only of pairs that a random projection
/// cannot tell apart. Throws ShapeError, DtypeError, UsageError for options out of range, NumericError for weights that
/// are not finite, or whose products leave float64.
AttentionEquivalence compare_attention(const AttentionModule& a, const AttentionModule& b,
                                       const AttentionEquivalenceOptions& options = {});

/// MHA(X), or MHA(LN(X)), of one sequence: [n, D] -> [n, D], in float64.
Tensor evaluate_attention(const AttentionModule& module, const Tensor& x, bool after_norm);

}  // namespace weft
