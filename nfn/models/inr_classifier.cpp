#include "weft/nfn/models/inr_classifier.h"

#include "weft/groups/derive.h"

namespace weft {
namespace {

/// The list of spec 4.1 without sign terms, which every group of hidden neurons allows.
std::string monomial_linear(const std::vector<std::int64_t>& widths) {
  const Space space = mlp_space(widths, FactorKind::positive_monomial);
  return derive_linear(space, space);
}

}  // namespace

InrClassifier::InrClassifier(const Config& c, const Module& as)
    : Module(as),
      space_(mlp_space(c.widths, c.fourier.sines ? FactorKind::sign_monomial : FactorKind::permutation)),
      dropout_(c.dropout),
      linear_(*this, "linear", space_, space_, monomial_linear(c.widths), c.fourier, c.d),
      pool_(*this, "pool", space_, c.d, c.d) {
  for (int i = 0; i < c.layers; ++i)
    layers_.emplace_back(*this, "layers." + std::to_string(i), space_, c.d, c.d, false);
  const std::int64_t sizes[] = {c.d, c.hidden, c.hidden, c.classes};
  for (int i = 0; i < 3; ++i) readout_.emplace_back(*this, "head." + std::to_string(i), sizes[i], sizes[i + 1]);
}

Var InrClassifier::operator()(const Features& x, const std::optional<RandomKey>& training) const {
  std::uint64_t draws = 0;
  auto activated = [&] {
    LayerInput input{.activation = UnaryOp::Sin};
    if (training) input.dropout = dropout_, input.key = training->at(draws++);
    return input;
  };
  Features y = linear_(x);
  for (const MagepEquivariant& layer : layers_) y = layer(y, activated());
  Var h = pool_(y, activated());
  for (std::size_t i = 0; i < readout_.size(); ++i) {
    const bool last = i + 1 == readout_.size();
    h = last ? readout_[i](h) : readout_[i](h, UnaryOp::Relu);
    if (!last && training) h = dropout(h, dropout_, training->at(draws++));
  }
  return h;
}

}  // namespace weft
