#include "weft/nfn/models/inr_classifier.h"

#include <fmt/format.h>

#include "weft/groups/derive.h"
#include "weft/ops/pointwise.h"

namespace weft {
namespace {

/// The list of spec 4.1 without sign terms, which every group of hidden neurons allows.
std::string monomial_linear(const std::vector<std::int64_t>& widths) {
  const Space space = mlp_space(widths, Kind::positive_monomial);
  return derive_linear(space, space);
}

}  // namespace

InrClassifier::InrClassifier(Parameters& parameters, const Config& c)
    : space_(mlp_space(c.widths, c.fourier.sines ? Kind::sign_monomial : Kind::permutation)),
      dropout_(c.dropout),
      linear_(parameters, "linear", space_, space_, monomial_linear(c.widths), c.fourier, c.d),
      pool_(parameters, "pool", space_, c.d, c.d) {
  for (int i = 0; i < c.layers; ++i)
    layers_.emplace_back(parameters, "layers." + std::to_string(i), space_, c.d, c.d, false);
  const std::int64_t sizes[] = {c.d, c.head, c.head, c.classes};
  for (int i = 0; i < 3; ++i) head_.emplace_back(parameters, "head." + std::to_string(i), sizes[i], sizes[i + 1]);
}

std::vector<std::string> InrClassifier::fallbacks(const Backend* backend) const {
  const std::string_view why = linear_.fallback(backend);
  if (why.empty()) return {};
  return {fmt::format("the first layer runs term by term: {}", why)};
}

Var InrClassifier::operator()(const Parameters& parameters, std::span<const Var> x,
                              const std::optional<Key>& training) const {
  Tape& tape = x[0].tape();
  const std::size_t n = space_.tensors().size();
  std::span<Var> y = tape.variables(n), next = tape.variables(n);
  std::uint64_t draws = 0;
  auto activated = [&] {
    LayerInput input{.activation = UnaryOp::Sin};
    if (training) input.dropout = dropout_, input.key = training->at(draws++);
    return input;
  };
  linear_(parameters, x, y);
  for (const MagepEquivariant& layer : layers_) {
    layer(parameters, y, next, activated());
    std::swap(y, next);
  }
  Var h = pool_(parameters, y, activated());
  for (std::size_t i = 0; i < head_.size(); ++i) {
    const bool last = i + 1 == head_.size();
    h = last ? head_[i](parameters, h) : head_[i](parameters, h, UnaryOp::Relu);
    if (!last && training) h = dropout(h, dropout_, training->at(draws++));
  }
  return h;
}

}  // namespace weft
