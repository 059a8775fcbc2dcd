#include "weft/nfn/models/transformer_model.h"

#include <cmath>

#include <fmt/format.h>

#include "weft/groups/derive.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/terms.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

constexpr std::size_t block_tensors = 8;

struct Network {
  TransformerShape shape;
  TransformerEnds ends;
};

/// The sizes of a whole transformer's space; throws TypeError for another space.
Network network_of(const Space& space) {
  auto axes = [&](const char* name) {
    const int tensor = space.find_tensor(name);
    return tensor < 0 ? Shape{} : space.axes_shape(tensor);
  };
  const Shape q = axes("WQ.0"), v = axes("WV.0"), a = axes("WA.0"), e = axes("WE"), c = axes("W1"), out = axes("W2");
  if (q.rank() == 3 && v.rank() == 3 && a.rank() == 2 && c.rank() == 2 && out.rank() == 2) {
    const std::size_t ends = e.rank() == 2 ? 6 : 4;
    const int blocks = static_cast<int>((space.tensors().size() - ends) / block_tensors);
    const Network n{{q[1], a[1], q[0], q[2], v[2], blocks}, {e.rank() == 2 ? e[0] : 0, c[0], out[0]}};
    if (blocks > 1 && space == transformer_network_space(n.shape, n.ends)) return n;
  }
  throw TypeError(
      "[transformer_model] space '{}'; allowed: a whole transformer, as transformer_network_space() names it",
      space.str());
}

/// Tensors [n, …] of all networks on the tape, side by side: [n, all their numbers].
Var flattened(Tape& tape, std::span<const Tensor> weights) {
  const std::span<Var> parts = tape.variables(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::int64_t n = weights[i].dim(0);
    parts[i] = tape.constant(weights[i].reshape({n, n ? weights[i].numel() / n : 0}));
  }
  return concat(parts, 1);
}

/// Two sets of variables for a chain of layers, the first one the weights as features of `space`.
struct Chain {
  std::span<Var> x, y;

  Chain(Tape& tape, const Space& space, std::span<const Tensor> weights)
      : x(tape.variables(weights.size())), y(tape.variables(weights.size())) {
    for (std::size_t t = 0; t < x.size(); ++t)
      x[t] = tape.constant(weights[t], space.type(static_cast<int>(t)), space.tensors()[t].name);
  }
};

std::vector<std::int64_t> head_sizes(std::int64_t inputs, std::int64_t hidden) {
  return {inputs, hidden, hidden, hidden};
}
double head_flops(std::int64_t inputs, std::int64_t hidden) {
  return 2. * static_cast<double>(inputs * hidden + 2 * hidden * hidden);
}

}  // namespace

TransformerModel::TransformerModel(const ModelConfig& config, const Space& space)
    : AccuracyModel(config, space), scale_(parameters_, space) {
  const Network network = network_of(space);
  const std::int64_t c = config.channels, h = config.hidden;
  TransformerShape one = network.shape;
  one.blocks = 1;
  block_space_ = transformer_space(one, false);
  first_block_ = space.tensor("WQ.0");
  for (int b = 0; b < network.shape.blocks; ++b) {
    const std::string name = "block" + std::to_string(b);
    Block& block = blocks_.emplace_back();
    for (std::int64_t i = 0; i < config.equivariant_layers; ++i)
      block.equivariant.emplace_back(parameters_, name + ".E" + std::to_string(i + 1), block_space_, i == 0 ? 1 : c, c);
    block.invariant.emplace(parameters_, name + ".I", block_space_, config.equivariant_layers > 0 ? c : 1, c);
    block.norm.emplace(parameters_, name + ".norm", c);
  }
  norm_.emplace(parameters_, "encoder.norm", c * network.shape.blocks);
  head_.emplace(parameters_, "encoder.head", head_sizes(c * network.shape.blocks, h), true);

  const std::int64_t widths[] = {network.shape.D, network.ends.hidden, network.ends.classes};
  classifier_.space = mlp_space(widths, Kind::positive_monomial);
  const bool pools = config.classifier == "linear", flat = config.classifier == "flat";
  if (flat) {
    classifier_.inputs = classifier_.space.parameters();
  } else {
    const std::string terms = derive_linear(classifier_.space, classifier_.space);
    for (int i = 0; i < (pools ? 2 : 1); ++i)
      classifier_.linear.emplace_back(parameters_, "classifier.linear" + std::to_string(i + 1), classifier_.space,
                                      classifier_.space, terms, i == 0 ? 1 : c, c);
    if (pools)
      classifier_.pool.emplace(parameters_, "classifier.pool", classifier_.space, c);
    else
      classifier_.invariant.emplace(parameters_, "classifier.I", classifier_.space, c, c);
    classifier_.inputs = pools ? pooled_size(classifier_.space, c) : c;
  }
  classifier_.head.emplace(parameters_, "classifier.head", head_sizes(classifier_.inputs, h), true);
  const bool embeds = network.ends.patch > 0;
  if (embeds) embedding_.emplace(parameters_, "embedding", (network.ends.patch + 1) * network.shape.D, h);
  last_.emplace(parameters_, "last", (embeds ? 3 : 2) * h, 1);
}

std::vector<Tensor> TransformerModel::standardise(std::span<const Tensor> weights) {
  const double other = 1 / std::sqrt(static_cast<double>(network_of(space_).shape.D));
  std::vector<double> sizes;
  for (const SpaceTensor& tensor : space_.tensors()) sizes.push_back(tensor.axes.size() == 1 ? 1 : other);
  scale_.fit(parameters_, weights, sizes);
  return prepare(weights);
}

std::vector<Tensor> TransformerModel::prepare(std::span<const Tensor> weights) const {
  return scale_(parameters_, weights);
}

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
  const LayerInput activated{.activation = UnaryOp::Relu};
  const std::span<Var> parts = tape.variables(blocks_.size());
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    Chain chain(tape, block_space_, weights.subspan(b * block_tensors, block_tensors));
    bool raw = true;
    for (const TransformerEquivariant& layer : blocks_[b].equivariant) {
      layer(parameters_, chain.x, chain.y, raw ? LayerInput{} : activated);
      std::swap(chain.x, chain.y);
      raw = false;
    }
    const Var y = (*blocks_[b].invariant)(parameters_, chain.x, raw ? LayerInput{} : activated);
    parts[b] = (*blocks_[b].norm)(parameters_, y);
  }
  return (*head_)(parameters_, (*norm_)(parameters_, concat(parts, 1)));
}

Var TransformerModel::classify(Tape& tape, std::span<const Tensor> weights) const {
  const Mlp& head = *classifier_.head;
  if (classifier_.linear.empty()) return head(parameters_, flattened(tape, weights));
  const LayerInput activated{.activation = UnaryOp::Relu};
  Chain chain(tape, classifier_.space, weights);
  classifier_.linear[0](parameters_, chain.x, chain.y);
  if (classifier_.invariant) return head(parameters_, (*classifier_.invariant)(parameters_, chain.y, activated));
  classifier_.linear[1](parameters_, chain.y, chain.x, activated);
  for (Var& x : chain.x) x = relu(x);
  return head(parameters_, (*classifier_.pool)(parameters_, chain.x));
}

Var TransformerModel::forward(Tape& tape, std::span<const Tensor> prepared) const {
  const auto first = static_cast<std::size_t>(first_block_), count = blocks_.size() * block_tensors;
  const std::span<Var> parts = tape.variables(embedding_ ? 3 : 2);
  parts[0] = encode(tape, prepared.subspan(first, count));
  parts[1] = classify(tape, prepared.subspan(first + count));
  if (embedding_) parts[2] = (*embedding_)(parameters_, flattened(tape, prepared.first(first)));
  return reshape((*last_)(parameters_, concat(parts, 1)), {prepared[0].dim(0)});
}

double TransformerModel::step_flops(std::int64_t batch) const {
  const std::int64_t c = config_.channels, h = config_.hidden, blocks = static_cast<std::int64_t>(blocks_.size());
  // A backward pass costs two forward passes, one where the raw weights have no gradient.
  double all = 0;
  for (const Block& block : blocks_) {
    double passes = 2;
    for (const TransformerEquivariant& layer : block.equivariant) all += passes * layer.flops(batch), passes = 3;
    all += passes * block.invariant->flops(batch);
  }
  double passes = 2;
  for (const LinearLayer& layer : classifier_.linear)
    all += passes * term_flops(layer.list(), batch, passes == 2 ? 1 : c, c), passes = 3;
  if (classifier_.invariant) all += 3 * classifier_.invariant->flops(batch);
  all += 3 * static_cast<double>(batch) * (head_flops(c * blocks, h) + head_flops(classifier_.inputs, h));
  if (embedding_)
    for (int t = 0; t < first_block_; ++t) all += 4 * static_cast<double>(batch * space_.axes_shape(t).numel() * h);
  return all;
}

std::vector<std::string> TransformerModel::fallbacks() const {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < classifier_.linear.size(); ++i)
    if (const std::string_view why = classifier_.linear[i].fallback(parameters_.backend()); !why.empty())
      all.push_back(fmt::format("linear layer {} of the classifier runs term by term: {}", i + 1, why));
  if (const std::string_view why = classifier_.pool ? classifier_.pool->fallback(parameters_.backend()) : "";
      !why.empty())
    all.push_back(fmt::format("the classifier's pool runs operation by operation: {}", why));
  return all;
}

std::string TransformerModel::proof() const {
  std::string text;
  auto add = [&](const std::string& name, const TermList& list) {
    text += name + "\n";
    for (int i = 0; i < static_cast<int>(list.terms().size()); ++i) text += list.proof(i);
  };
  // Every block has the same lists.
  for (std::size_t i = 0; i < blocks_[0].equivariant.size(); ++i)
    add("block E" + std::to_string(i + 1), blocks_[0].equivariant[i].list());
  add("block I", blocks_[0].invariant->list());
  for (std::size_t i = 0; i < classifier_.linear.size(); ++i)
    add("classifier linear" + std::to_string(i + 1), classifier_.linear[i].list());
  if (classifier_.invariant) add("classifier I", classifier_.invariant->list());
  return text;
}

}  // namespace weft
