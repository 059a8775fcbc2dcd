#pragma once

#include <vector>

#include "weft/nfn/linear/linear.h"
#include "weft/nfn/magep/equivariant.h"
#include "weft/nfn/magep/invariant.h"
#include "weft/nn/layers.h"

namespace weft {

/// Class of what an implicit representation (a SIREN) shows, from its weights (spec 2.6): Fourier features, Linear ->
/// d, sin, channel dropout, [E d -> d, sin, channel dropout] x layers, I d -> d, MLP d -> hidden -> hidden -> classes
/// with dropout. With sines and cosines it is invariant under hidden permutations, with sines alone under signs too.
class InrClassifier : public Module {
 public:
  struct Config {
    std::vector<std::int64_t> widths = {2, 32, 32, 1};
    FourierOptions fourier = {};
    std::int64_t d = 128, hidden = 1000, classes = 10;
    int layers = 3;
    double dropout = 0.1;
  };
  /// `as`: a model of its own, or a part of another one.
  explicit InrClassifier(const Config& config, const Module& as = Module("inr-classifier"));

  const Space& space() const { return space_; }
  /// x: of space(), with one channel      logits [B, classes]
  /// In training give a key that differs from step to step, or, for steps that are recorded, one that is counted
  /// (RandomKey::counted); without one nothing is dropped.
  Var operator()(const Features& x, const std::optional<RandomKey>& training) const;

 private:
  Space space_;
  double dropout_;
  FourierLinear linear_;
  std::vector<MagepEquivariant> layers_;
  MagepInvariant pool_;
  std::vector<Linear> readout_;
};

}  // namespace weft
