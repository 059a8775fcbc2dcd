#include "weft/nfn/models/inr_classifier.h"

#include <cmath>

namespace weft {
namespace {

using Respects = InrClassifier::Respects;

bool by_permutations(const InrClassifier::Config& c) { return c.kind == InrLayers::np || c.kind == InrLayers::hnp; }

FactorKind neurons(const InrClassifier::Config& c) {
  if (by_permutations(c) && c.respects != Respects::permutations)
    throw UsageError("[inr_classifier] NP and HNP respect permutations; allowed: no more than these");
  return c.respects == Respects::permutations ? FactorKind::permutation : FactorKind::sign_monomial;
}

/// By how much lifted features start smaller before polynomial layers, by tensor. These sum products of weights over
/// hidden neurons, and features of small weights are much alike: sums of n grow as n, not as sqrt(n).
std::vector<double> start_of(const InrClassifier::Config& c) {
  if (c.kind != InrLayers::magep) return {};
  std::vector<double> start;
  for (std::size_t l = 1; l < c.widths.size(); ++l) {
    start.push_back(l == 1 ? 1 : 1 / std::sqrt(static_cast<double>(c.widths[l - 1])));
    start.push_back(1);
  }
  return start;
}

}  // namespace

InrClassifier::InrClassifier(const Config& c, const Module& as)
    : Module(as),
      space_(mlp_space(c.widths, neurons(c))),
      activation_(by_permutations(c) ? UnaryOp::Relu : UnaryOp::Sin),
      dropout_(c.dropout) {
  const std::string lift = linear_terms(InrLayers::monomial, c.widths);
  const std::vector<double> start = start_of(c);
  if (c.respects == Respects::all) {
    features_.emplace(*this, "features",
                      SineFeatures::Config{.widths = c.widths, .frequencies = c.frequencies, .deviation = c.deviation});
    lift_.emplace(*this, "linear", space_, space_, lift, features_->channels(), c.d, start);
  } else {
    const bool sines = c.respects == Respects::flips;
    fourier_.emplace(*this, "linear", space_, space_, lift,
                     FourierOptions{sines ? 2 * c.frequencies : c.frequencies, c.deviation, sines}, c.d, start);
  }
  for (int i = 0; i < c.layers; ++i) {
    const std::string name = "layers." + std::to_string(i);
    if (c.kind == InrLayers::magep)
      polynomial_.emplace_back(*this, name, space_, c.d, c.d, false);
    else
      linear_.emplace_back(*this, name, space_, space_, linear_terms(c.kind, c.widths), c.d, c.d);
  }
  if (c.kind == InrLayers::magep) invariant_.emplace(*this, "pool", space_, c.d, c.d);
  if (c.kind == InrLayers::monomial) pool_.emplace(*this, "pool", space_, c.d);
  const std::int64_t sizes[] = {invariant_ ? c.d : pooled_size(space_, c.d), c.hidden, c.hidden, c.classes};
  for (int i = 0; i < 3; ++i) readout_.emplace_back(*this, "head." + std::to_string(i), sizes[i], sizes[i + 1]);
}

Var InrClassifier::operator()(const Features& x, const std::optional<RandomKey>& training) const {
  std::uint64_t draws = 0;
  const auto activated = [&] {
    LayerInput input{.activation = activation_};
    if (training) input.dropout = dropout_, input.key = training->at(draws++);
    return input;
  };
  Features y = fourier_ ? (*fourier_)(x) : (*lift_)((*features_)(x));
  for (const MagepEquivariant& layer : polynomial_) y = layer(y, activated());
  for (const LinearLayer& layer : linear_) y = layer(y, activated());
  Var h;
  if (invariant_)
    h = (*invariant_)(y, activated());
  else
    h = pool_ ? (*pool_)(unary(activation_, y)) : mean_pool(unary(activation_, y));
  for (std::size_t i = 0; i < readout_.size(); ++i) {
    const bool last = i + 1 == readout_.size();
    h = last ? readout_[i](h) : readout_[i](h, UnaryOp::Relu);
    if (!last && training) h = dropout(h, dropout_, training->at(draws++));
  }
  return h;
}

}  // namespace weft
