#pragma once
// Probes (spec 9.6): what networks give at learned points. Reads no weights and is invariant under whatever leaves the
// networks' functions as they are.

#include <functional>
#include <span>

#include "weft/nn/layers.h"

namespace weft {

/// M learned points, all networks at each of them, and an Mlp with two hidden layers on what they give, as it is: of an
/// implicit network colours, of a classifier logits.
class Probes : public Module {
 public:
  /// The networks that are probed: nfn/forward.h has forward passes.
  struct Forward {
    /// weights as Probes is given them, points [B, M, …] -> [B, M, outputs], or another shape of these numbers; no axis
    /// of it moves.
    std::function<Var(std::span<const Var> weights, const Var& points)> run;
    std::int64_t outputs = 1;  ///< of one point
    double flops = 0;          ///< of one network at one point
  };
  struct Config {
    std::int64_t points = 64;
    Shape point = {2};  ///< {2} of the plane, {1, 28, 28} of images
    /// Of the points: uniform over the square that implicit networks are fitted on, normal for images.
    Init start = Init::uniform(1);
    std::int64_t hidden = 256, outputs = 1;  ///< of the Mlp
  };
  /// `as`: a model of its own, or a part of another one. Throws UsageError for numbers below 1 or no `run`.
  Probes(const Config& config, Forward forward, const Module& as = Module("probes"));

  /// weights: what `run` takes, of B networks each      [B, outputs]
  /// Throws ShapeError when `run` gives another number of outputs.
  Var operator()(std::span<const Var> weights) const;

 private:
  Config config_;
  Forward forward_;
  int points_;
  Mlp mlp_;
};

}  // namespace weft
