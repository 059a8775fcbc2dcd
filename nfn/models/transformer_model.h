#pragma once
// The reader of Transformer-NFN (spec 3.5).

#include <optional>
#include <vector>

#include "weft/nfn/linear/linear.h"
#include "weft/nfn/magep/invariant.h"
#include "weft/nfn/models/input_scale.h"
#include "weft/nfn/models/reader.h"
#include "weft/nfn/pooling.h"
#include "weft/nfn/transformer/equivariant.h"
#include "weft/nfn/transformer/invariant.h"
#include "weft/nn/layers.h"

namespace weft {

/// Reads a whole transformer (transformer_network_space) in up to three branches, concatenates what they say and maps
/// it to the outputs; h, c: the settings hidden, channels:
///   embedding   WE, bE flattened -> linear h; absent where the space has no WE
///   encoder     each block: [E -> c, ReLU on the MLP's tensors] x equivariant_layers, I c -> c, LayerNorm, with
///               parameters of its own; all blocks: LayerNorm -> Mlp h, h, h with LayerNorm
///   classifier  [linear layer of spec 4.1 -> c, ReLU] x 2, NormalisingPool -> Mlp h, h, h with LayerNorm; by
///               the setting classifier also one such layer, ReLU, MAGEP's I c -> c instead ("magep"), whose products
///               of biases and outgoing weights scales leave alone, while the pool must norm both; or the flattened
///               weights ("flat"), which knows no symmetry of the classifier
/// standardise() brings biases to a root mean square of 1 and all else to 1 / sqrt(D), so that a neuron's bias weighs
/// as much as the weights that it reads with. Throws TypeError for another space.
class TransformerModel final : public Reader {
 public:
  TransformerModel(const Settings& settings, const Space& space, std::int64_t outputs);

  std::vector<Tensor> standardise(std::span<const Tensor> weights) override;
  std::vector<Tensor> prepare(std::span<const Tensor> weights) const override;
  std::vector<FixedAxis> fixed_axes() const override;
  Var forward(Tape& tape, std::span<const Tensor> prepared, const std::optional<RandomKey>& training) const override;

 private:
  struct EncoderBlock {
    std::vector<TransformerEquivariant> equivariant;
    std::optional<TransformerInvariant> invariant;  ///< made after E, so that parameters stand in the order of use
    std::optional<LayerNormLayer> norm;
  };
  struct Classifier {
    Space space;
    std::vector<LinearLayer> linear;  ///< empty for flattened weights
    std::optional<NormalisingPool> pool;
    std::optional<MagepInvariant> invariant;  ///< instead of a pool
    std::optional<Mlp> readout;
    std::int64_t inputs = 0;  ///< of the readout
  };

  Var encode(Tape& tape, std::span<const Tensor> weights) const;
  Var classify(Tape& tape, std::span<const Tensor> weights) const;

  InputScale scale_;
  Space block_space_;
  int first_block_ = 0;  ///< tensor of the space
  std::vector<EncoderBlock> blocks_;
  std::optional<LayerNormLayer> norm_;
  std::optional<Mlp> readout_;
  Classifier classifier_;
  std::optional<Linear> embedding_;
  std::optional<Linear> last_;
};

}  // namespace weft
