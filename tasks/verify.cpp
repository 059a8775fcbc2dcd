#include "weft/tasks/verify.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "weft/core/difference.h"
#include "weft/groups/sine_group.h"
#include "weft/nfn/forward.h"
#include "weft/ops/act.h"
#include "weft/tasks/fit.h"
#include "weft/tasks/moves.h"

namespace weft {
namespace {

constexpr std::int64_t networks = 8;
constexpr double exact = 1e-9, exact_float = 1e-4;

/// Networks as they are drawn before training: weights N(0, 1 / fan_in), everything else N(0, 1/4).
std::vector<Tensor> random_networks(const Space& space, RandomKey key) {
  std::vector<Tensor> out;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    const SpaceTensor& tensor = space.tensors()[static_cast<std::size_t>(t)];
    const Shape axes = space.axes_shape(t);
    double fan_in = 4;
    if (axes.rank() > 1) fan_in = static_cast<double>(tensor.taps() * axes[axes.rank() - 1]);
    out.push_back(Tensor::zeros(space.feature_shape(t, networks, 1), DType::f64));
    fill_normal(out.back(), key.at(tensor.name), 0, 1 / std::sqrt(fan_in));
  }
  return out;
}

/// Each by an element of its own.
std::vector<Tensor> moved(const Space& group, std::span<const Tensor> weights, RandomKey key,
                          const ElementRange& range) {
  return each_moved(weights, [&](std::int64_t n, std::span<const Tensor> network) {
    return act(Element::random(group, key.at(static_cast<std::uint64_t>(n)), range), network);
  });
}
std::vector<Tensor> moved(const Space& space, std::span<const Tensor> weights, RandomKey key, const SineMoves& moves) {
  return each_moved(weights, [&](std::int64_t n, std::span<const Tensor> network) {
    return SineElement::random(space, siren_omega, moves, key.at(static_cast<std::uint64_t>(n)))(network);
  });
}

std::vector<double> logits(const Reader& model, std::span<const Tensor> weights) {
  std::vector<Tensor> of_model;
  for (const Tensor& w : weights) of_model.push_back(w.to(model.parameters().flat_values().dtype()));
  return predict_outputs(model, model.prepare(of_model));
}

/// The largest change over the largest value; NaN where a prediction is no number, so that no check passes.
double change(const Reader& model, const std::vector<double>& before, std::span<const Tensor> weights) {
  try {
    return relative_error(logits(model, weights), before);
  } catch (const NumericError&) {
    return std::numeric_limits<double>::quiet_NaN();
  }
}

template <class Wanted>
bool has(const Space& space, const Wanted& wanted) {
  return std::any_of(space.factors().begin(), space.factors().end(), [&](const Factor& f) { return wanted(f.kind); });
}

std::string kinds(const Space& space) {
  std::string out;
  for (const FactorKind kind : all_kinds)
    if (kind->moves() && has(space, [&](FactorKind k) { return k == kind; }))
      out += (out.empty() ? "" : ", ") + std::string(kind->name);
  return out;
}

/// Groups that look alike and are no symmetry of the model: what it must notice. Other scales where there are some,
/// scales where there are none.
std::vector<Space> controls(const Space& space) {
  std::vector<Space> out;
  for (const bool scaled : {true, false})
    for (const FactorKind kind : all_kinds)
      if (out.empty() || scaled)
        if (kind->control && kind->has_places() && (kind->scales != Scales::none) == scaled &&
            has(space, [&](FactorKind k) { return k == kind; }))
          out.push_back(space.with_kind(kind, FactorKind(kind->control)));
  return out;
}

/// One bound divides what rounding makes of a symmetry from a change of what the model says. A NaN is neither.
VerifyRow judged(const std::string& check, const std::string& group, double error, double bound, bool control) {
  return {check, group, error, bound, control, control ? error > bound : error < bound};
}

/// Every part of the group of sine networks, those that the model does not respect as controls; then what is none.
std::vector<VerifyRow> verify_sines(const Reader& model, const SineMoves& respects, double bound, RandomKey key) {
  const Space& space = model.space();
  const auto weights = random_networks(space, key.at("networks"));
  const auto before = logits(model, weights);
  std::vector<VerifyRow> rows;
  const auto check = [&](const std::string& what, const std::string& group, const SineMoves& moves, bool respected) {
    const double error = change(model, before, moved(space, weights, key.at(what), moves));
    rows.push_back(judged(what, group, error, bound, !respected));
  };
  for (const auto& [name, moves] : sine_moves) {
    const bool respected =
        (!moves.permute || respects.permute) && (!moves.flip || respects.flip) && (!moves.shift || respects.shift);
    check(name, respected ? "of sine networks" : "not respected", moves, respected);
  }
  check("shifts by half a step", "negative control", {.shift = true, .shift_by = 0.5}, false);
  check("flips of incoming weights alone", "negative control", {.flip = true, .whole_flips = false}, false);
  return rows;
}

}  // namespace

std::vector<VerifyRow> verify_invariance(const Reader& model, std::uint64_t seed) {
  const double bound = model.parameters().flat_values().dtype() == DType::f64 ? exact : exact_float;
  const RandomKey key(seed, "verify");
  if (const auto respects = model.sine_moves()) return verify_sines(model, *respects, bound, key);
  const Space& space = model.space();
  const auto weights = random_networks(space, key.at("networks"));
  const auto before = logits(model, weights);
  std::vector<VerifyRow> rows;
  const bool scales = has(space, [](FactorKind k) { return k->has_magnitudes(); }),
             matrices = has(space, [](FactorKind k) { return k->mixing == Mixing::matrix; }),
             signs = has(space, [](FactorKind k) { return k->has_signs(); });
  auto check = [&](const std::string& what, const ElementRange& range) {
    const double error = change(model, before, moved(space, weights, key.at(what), range));
    rows.push_back(judged(what, kinds(space), error, bound, false));
  };
  check(matrices ? "permutations and orthogonal matrices" : "permutations alone",
        {.scale_low = 1, .scale_high = 1, .condition = 1, .signs = false});
  if (signs) check("permutations and signs", {});
  for (const double reach : {10., 100.})
    if (scales || matrices)
      check(fmt::format("permutations{}{}", scales ? fmt::format(" and scales up to {:g}", reach) : "",
                        matrices ? fmt::format(" and matrices of condition {:g}", reach) : ""),
            {.scale_low = 1, .scale_high = reach, .condition = reach});
  for (const Space& other : controls(space)) {
    const double error = change(model, before, moved(other, weights, key.at(other.str()), ElementRange{}));
    rows.push_back(judged("negative control", kinds(other), error, bound, true));
  }
  return rows;
}

}  // namespace weft
