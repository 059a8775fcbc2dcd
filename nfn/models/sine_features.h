#pragma once
// What a reader of sine networks sees that respects their full group (spec 9.1).

#include <vector>

#include "weft/nfn/forward.h"
#include "weft/nn/module.h"
#include "weft/ops/features.h"

namespace weft {

/// Hidden neurons of a sine network can be permuted, flipped and shifted. A neuron has two sign characters, f of its
/// flip and s = (-1)^m of its shift; w has the parity f, cos ωb s, sin ωb and outgoing weights f s. Products of these
/// are made in which flips and shifts act through the one sign f s:
///     W1   sin(2π ν W1) cos ωb1 and cos(2π ν W1) sin ωb1, frequencies ν
///     b1   sin(ω (W1 x + b1)), points x: a neuron as a whole
///     Wl   sin(2π ν Wl) cos ωbl, of the last layer without the cosine
///     bl   sin(2π ν sin ωbl), of the last layer sine and cosine of 2π ν bL
/// so that layers for signs (MAGEP's, spec 2) read them, exactly equivariant under the full group. The characters stand
/// on axes, and the tape multiplies types as it multiplies numbers.
class SineFeatures : public Module {
 public:
  struct Config {
    std::vector<std::int64_t> widths = {2, 32, 32, 1};
    std::int64_t frequencies = 32;
    double deviation = 3;  ///< of the frequencies; points are uniform in [-1, 1]
    double omega = siren_omega;
  };
  /// Throws UsageError for fewer than two layers, or no frequency.
  SineFeatures(const Module& parent, std::string_view name, const Config& config);

  std::int64_t channels() const { return 2 * frequencies_; }
  /// What the features are typed by: neurons with one sign, f s.
  const Space& space() const { return space_; }
  /// The table above, with both characters.
  const Space& characters() const { return characters_; }
  /// raw: W1 b1 … of networks, [B, 1, axes…], as constants, of any types -> [B, channels, axes…] of space()
  Features operator()(const Features& raw) const;

 private:
  std::int64_t frequencies_;
  double omega_;
  Space characters_, space_;
  int of_weights_, points_;
};

}  // namespace weft
