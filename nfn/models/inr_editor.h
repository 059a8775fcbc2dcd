#pragma once

#include <vector>

#include "weft/nfn/linear/linear.h"
#include "weft/nfn/magep/equivariant.h"
#include "weft/nfn/pooling.h"

namespace weft {

/// Edits an implicit representation (a SIREN) through its weights (spec 2.6): Linear 1 -> lift, E lift -> lift, Linear
/// lift -> mixed, Gaussian Fourier features of the channel vectors (sin and cos of 2π F x, F [frequencies, mixed]
/// frozen), a sinusoidal encoding of input and output neurons added, [NP linear -> d, ReLU] x layers, NP linear -> 1,
/// LearnedScale, and the input added. Equivariant under permutations of the hidden neurons; the encoding tells those of
/// the ends apart.
class InrEditor : public Module {
 public:
  struct Config {
    std::vector<std::int64_t> widths = {2, 32, 32, 3};
    std::int64_t lift = 16, mixed = 32, d = 128;
    int layers = 3;
    std::int64_t frequencies = 128;
    double deviation = 3;  ///< of the frequencies
  };
  /// `as`: a model of its own, or a part of another one.
  explicit InrEditor(const Config& config, const Module& as = Module("inr-editor"));

  const Space& space() const { return space_; }
  /// From and to one channel of space(). Throws what its layers throw.
  Features operator()(const Features& x) const;

 private:
  Var encoded(const Var& x, const SpaceTensor& tensor) const;

  Space space_;
  LinearLayer lift_;
  MagepEquivariant equivariant_;
  LinearLayer mix_;
  int frequencies_;
  std::vector<LinearLayer> layers_;
  LearnedScale scale_;
};

}  // namespace weft
