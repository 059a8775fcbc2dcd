#pragma once

#include <optional>
#include <vector>

#include "weft/nfn/linear/linear.h"
#include "weft/nfn/magep/equivariant.h"
#include "weft/nfn/models/inr_layers.h"
#include "weft/nfn/pooling.h"

namespace weft {

/// Edits an implicit representation (a SIREN) through its weights (spec 2.6, 9.4): Gaussian Fourier features (sin and
/// cos of 2π F x, F [frequencies, channels] frozen) of the weights, a sinusoidal encoding of input and output neurons
/// added, [layer -> d, act] x layers, layer -> outputs, LearnedScale, and the input added. By MAGEP, in front: Linear
/// 1 -> lift, E lift -> lift, Linear lift -> mixed; its further layers are NP's. Equivariant under permutations of the
/// hidden neurons; the encoding tells those of the ends apart. By monomial layers: sines alone, no encoding, sines
/// between; equivariant under flips, too.
class InrEditor : public Module {
 public:
  struct Config {
    std::vector<std::int64_t> widths = {2, 32, 32, 3};
    InrLayers kind = InrLayers::magep;
    std::int64_t lift = 16, mixed = 32, d = 128;
    int layers = 3;
    std::int64_t frequencies = 128;
    double deviation = 3;      ///< of the frequencies
    std::int64_t outputs = 1;  ///< networks that it returns
  };
  /// `as`: a model of its own, or a part of another one.
  explicit InrEditor(const Config& config, const Module& as = Module("inr-editor"));

  const Space& space() const { return space_; }
  /// One channel of space() -> `outputs` channels: the edited networks, each the input with an update. Throws what its
  /// layers throw.
  Features operator()(const Features& x) const;

 private:
  Var encoded(const Var& x, const SpaceTensor& tensor) const;

  bool signs_;
  Space space_;
  std::optional<LinearLayer> lift_, mix_;
  std::optional<MagepEquivariant> equivariant_;
  int frequencies_;
  std::vector<LinearLayer> layers_;
  LearnedScale scale_;
};

}  // namespace weft
