#include "weft/nfn/pooling.h"

#include <algorithm>

#include <fmt/format.h>

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

Var mean_pool(const Features& features) {
  const std::span<Var> parts = features.tape().variables(features.vars().size());
  for (std::size_t f = 0; f < parts.size(); ++f) {
    Var x = features.vars()[f];
    for (int axis = x.type().size() - 1; axis >= 0; --axis)
      if (x.type()[axis].moves()) x = mean(x, x.type().free() + axis);
    parts[f] = reshape(x, {x.shape()[0], x.shape().sub(1, x.shape().rank()).numel()});
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

LearnedScale::LearnedScale(const Module& parent, std::string_view name, const Space& space, double initial)
    : Module(parent, name) {
  for (const SpaceTensor& tensor : space.tensors())
    scales_.push_back(add_parameter(tensor.name, {1}, Init::constant(initial)));
  facts().text = "one scale a tensor";
}

Features LearnedScale::operator()(const Features& x) const {
  constexpr const char* who = "learned_scale";
  check_count(who, x.vars().size(), scales_.size());
  const std::span<Var> y = x.tape().variables(scales_.size());
  for (std::size_t f = 0; f < y.size(); ++f)
    y[f] = contract(text_for(who, x.vars()[f]), x.vars()[f], on(x.tape(), scales_[f]));
  return {x.space(), y};
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

PositionEmbedding::PositionEmbedding(const Module& parent, std::string_view name, const Space& space,
                                     std::int64_t channels, std::span<const std::string_view> factors)
    : EquivariantLayer(parent, name, "position_embedding", TermList(space, space, embeddings(space, factors)), channels,
                       channels),
      adds_(space.tensors().size()) {
  declare(true);
  for (const TermResolved& term : list().terms()) adds_[static_cast<std::size_t>(term.target)] = true;
}

void PositionEmbedding::run(const Features& x, std::span<const Var> learned, std::span<Var> y,
                            const LayerInput& input) const {
  const std::span<const Var> read = read_features(input, in(), x.vars());
  const std::span<Var> positions = x.tape().variables(y.size());
  run_terms(list(), read, learned, e(), positions);
  for (std::size_t f = 0; f < y.size(); ++f) y[f] = adds_[f] ? add(read[f], positions[f]) : read[f];
}

}  // namespace weft
