#pragma once

#include <vector>

#include "weft/nfn/linear/linear.h"
#include "weft/nfn/magep/equivariant.h"
#include "weft/nfn/models/sine_features.h"
#include "weft/nfn/pooling.h"

namespace weft {

/// Edits an implicit representation, exactly equivariant under the full group of sine networks (spec 9.1, 9.4):
/// SineFeatures, Linear -> d, [sin, E d -> d] x layers, sin, Linear -> outputs. What comes out has the parity f s of a
/// neuron; times cos ωb, of parity s, it has that of the weights and biases to which it is added, f. A shift moves b by
/// a constant and leaves its update as it is.
class SineEditor : public Module {
 public:
  struct Config {
    std::vector<std::int64_t> widths = {2, 32, 32, 1};
    std::int64_t frequencies = 32, d = 64;
    double deviation = 3;  ///< of the frequencies
    int layers = 3;
    std::int64_t outputs = 1;  ///< networks that it returns
  };
  explicit SineEditor(const Config& config, const Module& as = Module("sine-editor"));

  /// Neurons with flips.
  const Space& space() const { return features_.space(); }
  /// One channel of space() -> `outputs` channels: the edited networks, each the input with an update.
  Features operator()(const Features& x) const;

 private:
  SineFeatures features_;
  LinearLayer lift_, last_;
  std::vector<MagepEquivariant> layers_;
  LearnedScale scale_;
  Space cosines_;
};

}  // namespace weft
