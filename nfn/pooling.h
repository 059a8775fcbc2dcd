#pragma once
// Invariant poolings, and the small learned modules around linear functional layers (spec 4.2, 4.3, 2.6).

#include <string>
#include <string_view>
#include <vector>

#include "weft/groups/term.h"
#include "weft/nn/parameters.h"

namespace weft {

/// HNP pool: the mean of every feature over each of its axes that moves; fixed axes are kept as further numbers. So of
/// a dense network W1 over rows, WL over columns, inner weights over both, hidden biases, and bL itself.
///   features  [B, C, axes…]      y  [B, Σ C x fixed sizes], plain; feature after feature, channel slowest
/// Throws TypeError where the group does not allow means: positive or sign monomials, GL.
Var mean_pool(std::span<const Var> features);

/// Numbers that mean_pool gives per network, for features of `channels` channels (taps come on top).
std::int64_t pooled_size(const Space& space, std::int64_t channels);

/// The normalising pool. The channel vector of every entry, taps included, is divided by its L2 norm, times a learned
/// gain plus a learned shift ("name.W1.gain", "name.W1.shift": [C taps], from 1 and 0); of signs the absolute value is
/// taken first; then mean_pool. Features without a moved axis (bL) are left as they are. One hand-written node, which
/// saves the inputs, a norm per entry and the means; on a device a composition of operations.
class NormalisingPool {
 public:
  NormalisingPool(Parameters& parameters, const std::string& name, const Space& space, std::int64_t channels);

  /// Why it runs there as a composition of operations; empty where it is one node. Null is the CPU.
  std::string_view fallback(const Backend* backend) const { return backend ? "there is no schedule for devices" : ""; }
  /// y as mean_pool's. Throws ShapeError for features that do not fit, TypeError for GL, which changes norms.
  Var operator()(const Parameters& parameters, std::span<const Var> features) const;

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
class LearnedScale {
 public:
  LearnedScale(Parameters& parameters, const std::string& name, const Space& space, double initial = 0.01);
  /// Throws ShapeError for another number of features.
  void operator()(const Parameters& parameters, std::span<const Var> features, std::span<Var> outputs) const;

 private:
  std::vector<int> scales_;
};

/// Learned position embeddings: to every feature with axes over the given fixed factors a learned number per channel
/// and position is added ("name.W1.phi1": [C taps, positions…], from 0). They tell apart the input and output neurons
/// that an NP layer treats alike: in front of NP layers whose spaces have fixed ends, as far as the group is concerned.
class PositionEmbedding {
 public:
  /// Throws UsageError for a factor that the space lacks, TypeError for one that moves.
  PositionEmbedding(Parameters& parameters, const std::string& name, const Space& space, std::int64_t channels,
                    std::span<const std::string_view> factors);
  void operator()(const Parameters& parameters, std::span<const Var> features, std::span<Var> outputs) const;

  const TermList& list() const { return list_; }

 private:
  TermList list_;
  std::int64_t channels_;
  std::vector<int> numbers_;
  std::vector<bool> adds_;  ///< by feature
};

}  // namespace weft
