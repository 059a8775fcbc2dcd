#include "weft/nfn/pooling.h"

#include <algorithm>

#include <fmt/format.h>

#include "weft/nfn/term_layer.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"
#include "weft/ops/terms.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

/// Index texts of contract by the number of axes behind batch and channels.
constexpr int most_axes = 4;
constexpr const char* scale_text[] = {"bc,s->bc", "bci,s->bci", "bcij,s->bcij", "bcijk,s->bcijk", "bcijkl,s->bcijkl"};

const char* text_for(const char* who, const Var& x) {
  const int axes = x.shape().rank() - 2;
  if (axes < 0 || axes > most_axes)
    throw ShapeError("[{}] tensor '{}' of shape {}; allowed: [batch, channels] and up to {} axes", who, x.name(),
                     x.shape().str(), most_axes);
  return scale_text[axes];
}

void check_count(const char* who, std::size_t got, std::size_t wanted) {
  if (got != wanted) throw ShapeError("[{}] {} features; allowed: {}, one per tensor of the space", who, got, wanted);
}

}  // namespace

Var mean_pool(std::span<const Var> features) {
  if (features.empty()) throw ShapeError("[mean_pool] no features");
  const std::span<Var> parts = features[0].tape().variables(features.size());
  for (std::size_t f = 0; f < features.size(); ++f) {
    Var x = features[f];
    for (int axis = x.type().size() - 1; axis >= 0; --axis)
      if (x.type()[axis].moves()) x = mean(x, x.type().free() + axis);
    const std::int64_t batch = x.shape()[0];
    parts[f] = reshape(x, {batch, x.shape().sub(1, x.shape().rank()).numel()});
  }
  return concat(parts, 1);
}

std::int64_t pooled_size(const Space& space, std::int64_t channels) {
  std::int64_t all = 0;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    std::int64_t n = channels * space.tensors()[static_cast<std::size_t>(t)].taps();
    const Type type = space.type(t);
    for (int i = 0; i < type.size(); ++i)
      if (!type[i].moves()) n *= type[i].factor->size;
    all += n;
  }
  return all;
}

LearnedScale::LearnedScale(Parameters& parameters, const std::string& name, const Space& space, double initial) {
  for (const SpaceTensor& tensor : space.tensors())
    scales_.push_back(parameters.add(name + "." + tensor.name, {1}, Init::constant(initial)));
}

void LearnedScale::operator()(const Parameters& parameters, std::span<const Var> features,
                              std::span<Var> outputs) const {
  constexpr const char* who = "learned_scale";
  check_count(who, features.size(), scales_.size());
  check_count(who, outputs.size(), scales_.size());
  for (std::size_t f = 0; f < features.size(); ++f)
    outputs[f] = contract(text_for(who, features[f]), features[f], parameters.on(features[f].tape(), scales_[f]));
}

namespace {

/// "W1[j0,j1] += phi1[j1]" for every tensor with axes over the factors.
std::string embeddings(const Space& space, std::span<const std::string_view> factors) {
  for (std::string_view factor : factors)
    if (space.find_factor(factor) < 0) throw UsageError("[position_embedding] no factor '{}' in the space", factor);
  std::string text;
  for (const SpaceTensor& tensor : space.tensors()) {
    std::string left, positions;
    for (std::size_t i = 0; i < tensor.axes.size(); ++i) {
      const std::string& factor = space.factors()[static_cast<std::size_t>(tensor.axes[i].factor)].name;
      left += fmt::format("{}j{}", i ? "," : "", i);
      if (std::ranges::find(factors, factor) != factors.end())
        positions += fmt::format("{}j{}", positions.empty() ? "" : ",", i);
    }
    if (!positions.empty()) text += fmt::format("{}[{}] += phi1[{}]\n", tensor.name, left, positions);
  }
  return text;
}

}  // namespace

PositionEmbedding::PositionEmbedding(Parameters& parameters, const std::string& name, const Space& space,
                                     std::int64_t channels, std::span<const std::string_view> factors)
    : list_(space, space, embeddings(space, factors)),
      channels_(channels),
      numbers_(declare_parameters(parameters, name, list_, channels, channels, true)),
      adds_(space.tensors().size()) {
  for (const TermResolved& term : list_.terms()) adds_[static_cast<std::size_t>(term.target)] = true;
}

void PositionEmbedding::operator()(const Parameters& parameters, std::span<const Var> features,
                                   std::span<Var> outputs) const {
  constexpr const char* who = "position_embedding";
  check_count(who, features.size(), adds_.size());
  check_count(who, outputs.size(), adds_.size());
  Tape& tape = features[0].tape();
  const std::span<Var> positions = tape.variables(features.size());
  run_terms(list_, features, learned_on(parameters, tape, numbers_), channels_, positions);
  for (std::size_t f = 0; f < features.size(); ++f)
    outputs[f] = adds_[f] ? add(features[f], positions[f]) : features[f];
}

}  // namespace weft
