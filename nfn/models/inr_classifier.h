#pragma once

#include <optional>
#include <vector>

#include "weft/nfn/linear/linear.h"
#include "weft/nfn/magep/equivariant.h"
#include "weft/nfn/magep/invariant.h"
#include "weft/nfn/models/inr_layers.h"
#include "weft/nfn/models/sine_features.h"
#include "weft/nfn/pooling.h"
#include "weft/nn/layers.h"

namespace weft {

/// Class of what an implicit representation (a SIREN) shows, from its weights (spec 2.6, 9.3): features of the weights,
/// Linear -> d, act, channel dropout, [layer d -> d, act, channel dropout] x layers, pool, MLP d -> hidden -> hidden ->
/// classes with dropout.
class InrClassifier : public Module {
 public:
  /// What of the hidden neurons' group it respects, by what it sees of the weights: sines and cosines of them, as
  /// published; sines alone; or products of parities (SineFeatures).
  enum class Respects : std::uint8_t { permutations, flips, all };
  struct Config {
    std::vector<std::int64_t> widths = {2, 32, 32, 1};
    /// MAGEP's, pooled by its invariant layer, with sines between; monomial ones with sines and the normalising pool;
    /// NP's or HNP's with ReLU and means.
    InrLayers kind = InrLayers::magep;
    Respects respects = Respects::permutations;
    std::int64_t frequencies = 128;  ///< makes twice as many features
    double deviation = 3;            ///< of the frequencies
    std::int64_t d = 128, hidden = 1000, classes = 10;
    int layers = 3;
    double dropout = 0.1;
  };
  /// `as`: a model of its own, or a part of another one. Throws UsageError for NP and HNP that are to respect more than
  /// permutations.
  explicit InrClassifier(const Config& config, const Module& as = Module("inr-classifier"));

  const Space& space() const { return space_; }
  /// x: of space(), with one channel      logits [B, classes]
  /// In training give a key that differs from step to step, or, for steps that are recorded, one that is counted
  /// (RandomKey::counted); without one nothing is dropped.
  Var operator()(const Features& x, const std::optional<RandomKey>& training) const;

 private:
  Space space_;
  UnaryOp activation_;
  double dropout_;
  std::optional<SineFeatures> features_;
  std::optional<FourierLinear> fourier_;  ///< both in one, where features are of single weights
  std::optional<LinearLayer> lift_;
  std::vector<MagepEquivariant> polynomial_;
  std::vector<LinearLayer> linear_;
  std::optional<MagepInvariant> invariant_;
  std::optional<NormalisingPool> pool_;
  std::vector<Linear> readout_;
};

}  // namespace weft
