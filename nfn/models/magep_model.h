#pragma once
// The reader of MAGEP-NFN (spec 2.6).

#include <vector>

#include "weft/nfn/linear/linear.h"
#include "weft/nfn/magep/equivariant.h"
#include "weft/nfn/magep/invariant.h"
#include "weft/nfn/models/reader.h"
#include "weft/nn/layers.h"
#include "weft/ops/pointwise_kernels.h"

namespace weft {

/// Linear (derived; kernel taps folded into channels) -> act -> [E -> act] x equivariant_layers -> I -> Mlp with two
/// hidden layers -> outputs. act is ReLU for positive scales and permutations, tanh for signs: what the group of the
/// hidden neurons allows. Throws UsageError for a space that is no chain of dense or convolutional layers.
class MagepModel final : public Reader {
 public:
  MagepModel(const Settings& settings, const Space& space, std::int64_t outputs);

  std::vector<FixedAxis> fixed_axes() const override;
  Var forward(Tape& tape, std::span<const Tensor> prepared, const std::optional<RandomKey>& training) const override;

 private:
  Space folded_;
  UnaryOp act_;
  LinearLayer lift_;
  std::vector<MagepEquivariant> equivariant_;
  MagepInvariant invariant_;
  Mlp readout_;  ///< "head" in files, as since 0.1
};

}  // namespace weft
