#include "weft/nfn/models/transformer_model.h"

#include <cmath>

#include <fmt/format.h>

#include "weft/groups/derive.h"
#include "weft/nfn/forward.h"
#include "weft/nfn/models/transformer_space.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

/// Tensors [n, …] of all networks on the tape, side by side: [n, all their numbers].
Var flattened(Tape& tape, std::span<const Tensor> weights) {
  const std::span<Var> parts = tape.variables(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::int64_t n = weights[i].dim(0);
    parts[i] = tape.constant(weights[i].reshape({n, n ? weights[i].numel() / n : 0}));
  }
  return concat(parts, 1);
}

std::vector<std::int64_t> readout_sizes(std::int64_t inputs, std::int64_t hidden) {
  return {inputs, hidden, hidden, hidden};
}

}  // namespace

TransformerModel::TransformerModel(const Settings& settings, const Space& space, std::int64_t outputs)
    : Reader("transformer-nfn", settings, space, outputs), scale_(*this, "scale", space) {
  const TransformerSizes network = transformer_sizes(space);
  const std::int64_t c = settings.whole("channels"), h = settings.whole("hidden"),
                     layers = settings.whole("equivariant_layers");
  TransformerShape one = network.shape;
  one.blocks = 1;
  block_space_ = transformer_space(one, false);
  first_block_ = space.tensor("WQ.0");
  for (int b = 0; b < network.shape.blocks; ++b) {
    const std::string name = "block" + std::to_string(b);
    EncoderBlock& block = blocks_.emplace_back();
    for (std::int64_t i = 0; i < layers; ++i)
      block.equivariant.emplace_back(*this, name + ".E" + std::to_string(i + 1), block_space_, i == 0 ? 1 : c, c);
    block.invariant.emplace(*this, name + ".I", block_space_, layers > 0 ? c : 1, c);
    block.norm.emplace(*this, name + ".norm", c);
  }
  norm_.emplace(*this, "encoder.norm", c * network.shape.blocks);
  readout_.emplace(*this, "encoder.head", readout_sizes(c * network.shape.blocks, h), true);

  const std::int64_t widths[] = {network.shape.D, network.ends.hidden, network.ends.classes};
  classifier_.space = mlp_space(widths, FactorKind::positive_monomial);
  const std::string& classifier = settings.text("classifier");
  const bool pools = classifier == "linear", flat = classifier == "flat";
  if (flat) {
    classifier_.inputs = classifier_.space.parameters();
  } else {
    const std::string terms = derive_linear(classifier_.space, classifier_.space);
    for (int i = 0; i < (pools ? 2 : 1); ++i)
      classifier_.linear.emplace_back(*this, "classifier.linear" + std::to_string(i + 1), classifier_.space,
                                      classifier_.space, terms, i == 0 ? 1 : c, c);
    if (pools)
      classifier_.pool.emplace(*this, "classifier.pool", classifier_.space, c);
    else
      classifier_.invariant.emplace(*this, "classifier.I", classifier_.space, c, c);
    classifier_.inputs = pools ? pooled_size(classifier_.space, c) : c;
  }
  classifier_.readout.emplace(*this, "classifier.head", readout_sizes(classifier_.inputs, h), true);
  const bool embeds = network.ends.patch > 0;
  if (embeds) embedding_.emplace(*this, "embedding", (network.ends.patch + 1) * network.shape.D, h);
  last_.emplace(*this, "last", (embeds ? 3 : 2) * h, outputs);
}

std::vector<Tensor> TransformerModel::standardise(std::span<const Tensor> weights) {
  const double other = 1 / std::sqrt(static_cast<double>(transformer_sizes(space_).shape.D));
  std::vector<double> sizes;
  for (const SpaceTensor& tensor : space_.tensors()) sizes.push_back(tensor.axes.size() == 1 ? 1 : other);
  scale_.fit(weights, sizes);
  return prepare(weights);
}

std::vector<Tensor> TransformerModel::prepare(std::span<const Tensor> weights) const { return scale_(weights); }

std::vector<FixedAxis> TransformerModel::fixed_axes() const {
  // A block calls the features that it writes by the name of those that it reads (spec 1.2); the next one reads them.
  int written = 0;
  return fixed_axes_of(space_, [&](const SpaceTensor& tensor, const std::string& factor) {
    if (!factor.starts_with("m.")) return factor;
    const bool writes = tensor.name == "WE" || tensor.name.starts_with("WB.");
    return fmt::format("features {}", written += writes);
  });
}

Var TransformerModel::encode(Tape& tape, std::span<const Tensor> weights) const {
  const std::span<Var> parts = tape.variables(blocks_.size());
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    Features x = Features::constant(tape, block_space_,
                                    weights.subspan(b * transformer_block_tensors, transformer_block_tensors));
    LayerInput read;  // raw weights as they are, features activated
    for (const TransformerEquivariant& layer : blocks_[b].equivariant) {
      x = layer(x, read);
      read.activation = UnaryOp::Relu;
    }
    parts[b] = (*blocks_[b].norm)((*blocks_[b].invariant)(x, read));
  }
  return (*readout_)((*norm_)(concat(parts, 1)));
}

Var TransformerModel::classify(Tape& tape, std::span<const Tensor> weights) const {
  const Mlp& readout = *classifier_.readout;
  if (classifier_.linear.empty()) return readout(flattened(tape, weights));
  const LayerInput activated{.activation = UnaryOp::Relu};
  const Features x = classifier_.linear[0](Features::constant(tape, classifier_.space, weights));
  if (classifier_.invariant) return readout((*classifier_.invariant)(x, activated));
  return readout((*classifier_.pool)(relu(classifier_.linear[1](x, activated))));
}

Var TransformerModel::forward(Tape& tape, std::span<const Tensor> prepared, const std::optional<RandomKey>&) const {
  const auto first = static_cast<std::size_t>(first_block_), count = blocks_.size() * transformer_block_tensors;
  const std::span<Var> parts = tape.variables(embedding_ ? 3 : 2);
  parts[0] = encode(tape, prepared.subspan(first, count));
  parts[1] = classify(tape, prepared.subspan(first + count));
  if (embedding_) parts[2] = (*embedding_)(flattened(tape, prepared.first(first)));
  return (*last_)(concat(parts, 1));
}

extern const ModelKind transformer_nfn_model{
    .name = "transformer-nfn",
    .text = "Transformer-NFN: polynomial layers that respect heads, GL of queries, keys and values, and permutations",
    .reads_text = "transformers",
    .reads = is_transformer,
    .settings = {channels_setting(10),
                 equivariant_layers_setting(1),
                 hidden_setting(10),
                 {.name = "classifier",
                  .text = "how the classifier's weights are read: by linear layers and a normalising pool, by MAGEP's "
                          "invariant layer, or flattened, without their symmetry",
                  .usual = "linear",
                  .allowed = {"linear", "magep", "flat"}}},
    .training = {{"batch", 16}, {"patience", 100}, {"warmup", 10}, {"permute_fixed", true}},
    .make = [](const ModelKind&, const Settings& settings, const Space& space, std::int64_t outputs)
        -> std::unique_ptr<Reader> { return std::make_unique<TransformerModel>(settings, space, outputs); }};

}  // namespace weft
