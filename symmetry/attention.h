#pragma once
// Do two attention modules compute the same function, for every input? (spec 1.3)

#include <optional>

#include "weft/core/tensor.h"
#include "weft/groups/element.h"
#include "weft/symmetry/decision.h"

namespace weft {

/// WQ, WK [h, D, Dk], WV [h, D, Dv], WO [h, Dv, D] of spec 1.2; float32 or float64.
struct AttentionModule {
  Tensor q, k, v, o;
};

struct AttentionEquivalenceOptions {
  double tolerance = 1e-8;  ///< relative distance of products that are taken for equal
  /// Relative rounding of the stored weights: what it explains makes no two modules different, and sums that are zero
  /// to within it are zero. 2^-24 for weights that were ever float32.
  double rounding = 0x1p-53;
  bool after_norm = false;  ///< the module stands behind a LayerNorm without affine part: tokens of mean zero
};

/// An input on which two modules differ, with what they make of it in float64: X -> MHA(X), or MHA(LN(X)) after a norm.
struct AttentionWitness {
  Tensor x, y_a, y_b;     ///< [n, D]
  double difference = 0;  ///< ||y_a - y_b|| over the larger of ||y_a|| and ||y_b||
};

/// An element of attention_space() that carries a to b.
struct AttentionElement {
  Element element;
  double residual = 0;   ///< largest ||g a - b|| / ||b|| of the four tensors (after a norm: of what it leaves)
  double condition = 1;  ///< the largest condition number of its matrices
};

struct AttentionEquivalence {
  Decision decision = Decision::undecided;
  /// Where both have the same sizes and are generic (spec 1.3). Modules that are not may be the same function and yet
  /// not one element apart.
  std::optional<AttentionElement> element;
  std::optional<AttentionWitness> witness;  ///< where they are different
};

/// Decides it from the products A_i = WQ_i WK_i^T / sqrt(Dk) and B_i = WV_i WO_i. A module is reduced first, by itself:
/// heads whose A are equal to rounding become one head with the sum of their B, and heads that are zero to rounding are
/// left out. The heads that remain of a and b are matched one to one. The distance of two heads is the larger one of
/// ||A - A'|| / max(||A||, ||A'||) and the same of B, in Frobenius norms: no large head hides what a small one does.
/// The distance of two modules is that of their farthest pair, in the matching that makes it least; infinite where the
/// numbers of heads differ.
///   same        the distance is at most `tolerance`, and a few inputs that were tried move no output by more than that
///               of its size (the Euclidean norm over all tokens);
///   different   the distance is more than 3 times that and what rounding explains, so are the sums of B over heads
///               hardly told apart, and an input shows it, by more than float64 rounds in a forward pass;
///   undecided   neither.
/// The distance is a metric, so that no third module is `same` as two that are `different` (docs/equivalence.md).
/// h, Dk and Dv of the two may differ, any product may have any rank or vanish. After a norm A is projected with
/// I - 11^T/D on both sides, B on its input side. "To rounding" means 64 rounding ||WQ|| ||WK|| / sqrt(Dk), or 64
/// rounding ||WV|| ||WO||, and of sums of B also at most `tolerance` of the largest. Products with a norm below 1e-150
/// count as zero.
///
/// Differences are formed from the factors without cancellation, D x D products only of pairs that a random projection
/// cannot tell apart. Throws ShapeError, DtypeError, UsageError for options out of range, NumericError for weights that
/// are not finite, or whose products leave float64.
AttentionEquivalence compare_attention(const AttentionModule& a, const AttentionModule& b,
                                       const AttentionEquivalenceOptions& options = {});

/// MHA(X), or MHA(LN(X)), of one sequence: [n, D] -> [n, D], in float64.
Tensor evaluate_attention(const AttentionModule& module, const Tensor& x, bool after_norm);

}  // namespace weft
