#pragma once
// Invariant poolings, and the small learned modules around linear functional layers (spec 4.2, 4.3, 2.6).

#include <string>
#include <string_view>
#include <vector>

#include "weft/nfn/list_layer.h"

namespace weft {

/// HNP pool: the mean of every feature over each of its axes that moves; fixed axes are kept as further numbers. So of
/// a dense network W1 over rows, WL over columns, inner weights over both, hidden biases, and bL itself.
///   x  [B, C, axes…]      y  [B, Σ C x fixed sizes], plain; tensor after tensor, channel slowest
/// Throws TypeError where the group does not allow means: positive or sign monomials, GL.
Var mean_pool(const Features& x);

/// Numbers that mean_pool gives per network, for features of `channels` channels (taps come on top).
std::int64_t pooled_size(const Space& space, std::int64_t channels);

/// The normalising pool. The channel vector of every entry, taps included, is divided by its L2 norm, times a learned
/// gain plus a learned shift ("name.W1.gain", "name.W1.shift": [C taps], from 1 and 0); of signs the absolute value is
/// taken first; then mean_pool. Features without a moved axis (bL) are left as they are. One hand-written node, which
/// saves the inputs, a norm per entry and the means; on a device a composition of operations.
class NormalisingPool : public Module {
 public:
  NormalisingPool(const Module& parent, std::string_view name, const Space& space, std::int64_t channels);

  /// y as mean_pool's. Throws ShapeError for features that do not fit, TypeError for GL, which changes norms.
  Var operator()(const Features& x) const;

 private:
  /// learned: gain and shift of every feature that has them.
  Var composed(std::span<const Var> features, std::span<const Var> learned) const;

  struct Affine {
    int gain = -1, shift = -1;  ///< -1: left as it is
  };
  std::vector<Affine> affine_;  ///< by feature
};

/// y = s x, s one learned number per tensor ("name.W1": [1], from `initial`): how a network that edits weights starts
/// near the identity. Commutes with every group.
class LearnedScale : public Module {
 public:
  LearnedScale(const Module& parent, std::string_view name, const Space& space, double initial = 0.01);
  /// Throws ShapeError for another number of features.
  Features operator()(const Features& x) const;

 private:
  std::vector<int> scales_;
};

/// Learned position embeddings: to every feature with axes over the given fixed factors a learned number per channel
/// and position is added ("name.W1.phi1": [C taps, positions…], from 0). They tell apart the input and output neurons
/// that an NP layer treats alike: in front of NP layers whose spaces have fixed ends, as far as the group is concerned.
class PositionEmbedding final : public EquivariantLayer {
 public:
  /// Throws UsageError for a factor that the space lacks, TypeError for one that moves.
  PositionEmbedding(const Module& parent, std::string_view name, const Space& space, std::int64_t channels,
                    std::span<const std::string_view> factors);

 private:
  void run(const Features& x, std::span<const Var> learned, std::span<Var> y, const LayerInput& input) const override;

  std::vector<bool> adds_;  ///< by feature
};

}  // namespace weft
