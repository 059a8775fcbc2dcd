#include "weft/symmetry/network.h"

#include <algorithm>
#include <cmath>

#include "weft/core/error.h"
#include "weft/symmetry/internal/outputs.h"
#include "weft/symmetry/products.h"

namespace weft {
namespace {

constexpr std::uint64_t draws = 64, enough = 6;  // inputs tried, and after how many any witness will do

void check(const Space& space, const char* network, std::span<const Tensor> weights) {
  if (weights.size() != space.tensors().size())
    throw ShapeError("[equivalence] network {} has {} tensors; its space has {}", network, weights.size(),
                     space.tensors().size());
  for (int t = 0; t < static_cast<int>(weights.size()); ++t) {
    const Tensor& w = weights[static_cast<std::size_t>(t)];
    const std::string& name = space.tensors()[static_cast<std::size_t>(t)].name;
    if (w.shape() != space.feature_shape(t, 1, 1))
      throw ShapeError("[equivalence] {} of network {} has shape {}; allowed: {}", name, network, w.shape().str(),
                       space.feature_shape(t, 1, 1).str());
    const Tensor wide = w.to(DType::f64);
    for (const double x : wide.span<double>())
      if (!(std::abs(x) < 1e150))
        throw NumericError("[equivalence] {} of network {} is not finite, or beyond 1e150", name, network);
  }
}

/// Calls f(value, unit) on every value of tensor t, unit counted along `axis`.
template <class F>
void each_value(const Space& space, std::vector<Tensor>& weights, int t, int axis, const F& f) {
  Tensor& w = weights[static_cast<std::size_t>(t)];
  const std::int64_t inner = w.shape().sub(3 + axis, w.rank()).numel(), n = space.axes_shape(t)[axis];
  for (std::int64_t i = 0; i < w.numel(); ++i) f(w.data<double>()[i], static_cast<std::size_t>(i / inner % n));
}

/// Only in plain chains of layers: a stream is read and written by many.
bool may_have_dead_units(const Space& space) {
  return std::ranges::none_of(space.factors(), [](const Factor& f) { return !f.per.empty() || !f.along.empty(); });
}

/// Sets the weights of dead units to zero, until there is no other.
std::vector<Tensor> without_dead_units(const Space& space, std::span<const Tensor> weights) {
  std::vector<Tensor> out;
  for (const Tensor& w : weights) out.push_back(w.to(DType::f64).clone());
  const auto& factors = space.factors();
  for (bool changed = true; changed;) {
    changed = false;
    for (int f = 0; f < static_cast<int>(factors.size()); ++f) {
      const Factor& factor = factors[static_cast<std::size_t>(f)];
      if (!factor.kind->moves() || !factor.kind->has_places()) continue;
      const auto n = static_cast<std::size_t>(factor.size);
      std::vector<char> alive[2] = {std::vector<char>(n), std::vector<char>(n)};
      bool used[2] = {false, false};
      auto each = [&](const auto& visit) {
        for (int t = 0; t < static_cast<int>(out.size()); ++t) {
          const auto& axes = space.tensors()[static_cast<std::size_t>(t)].axes;
          for (int i = 0; i < static_cast<int>(axes.size()); ++i)
            if (axes[static_cast<std::size_t>(i)].factor == f)
              visit(t, i, axes[static_cast<std::size_t>(i)].role == AxisRole::vector ? 0 : 1);
        }
      };
      each([&](int t, int axis, int side) {
        used[side] = true;
        each_value(space, out, t, axis, [&](double x, std::size_t unit) { alive[side][unit] |= x != 0; });
      });
      if (!used[0] || !used[1]) continue;
      // Without input a unit is act(0): zero where the group has scales or signs.
      const bool silent_without_input = factor.kind->scales != Scales::none;
      each([&](int t, int axis, int) {
        each_value(space, out, t, axis, [&](double& x, std::size_t unit) {
          if (x != 0 && (!alive[1][unit] || (silent_without_input && !alive[0][unit]))) {
            x = 0;
            changed = true;
          }
        });
      });
    }
  }
  return out;
}

/// Inputs that both networks were run on: a fixed list for each space.
struct Trial {
  double largest = 0;                     ///< distance of outputs; infinite where one is no number
  std::optional<NetworkWitness> witness;  ///< the best of those that lie beyond what was asked
};

/// Tries inputs until some show a distance beyond `far`, or all of them.
Trial try_inputs(const Space& space, std::span<const Tensor> a, std::span<const Tensor> b, double far) {
  constexpr double scales[] = {1, 4, 0.25};
  Trial out;
  for (std::uint64_t begin = 0; begin < draws && !out.witness; begin = begin == 0 ? enough : draws) {
    std::vector<Tensor> inputs;
    for (std::uint64_t n = begin; n < (begin == 0 ? enough : draws); ++n)
      if (const auto x = random_input(space, RandomKey(0, "equivalence input").at(n), scales[n % 3]))
        inputs.push_back(*x);
    if (inputs.empty()) return out;
    const std::vector<Tensor> y_a = equivalence::outputs(space, a, inputs),
                              y_b = equivalence::outputs(space, b, inputs);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const equivalence::OutputChange change = equivalence::output_change(y_a[i], y_b[i]);
      if (!change.finite()) {
        out.largest = INFINITY;
        continue;
      }
      const double distance = change.relative();
      out.largest = std::max(out.largest, distance);
      if (distance > far && (!out.witness || distance > out.witness->difference))
        out.witness = {inputs[i], y_a[i], y_b[i], distance};
    }
  }
  return out;
}

}  // namespace

NetworkEquivalence compare_networks(const Space& space, std::span<const Tensor> a, std::span<const Tensor> b,
                                    double tolerance) {
  if (!(tolerance > 0 && tolerance < 1))
    throw UsageError("[equivalence] tolerance {}; allowed: between 0 and 1", tolerance);
  check(space, "a", a);
  check(space, "b", b);
  if (is_products(space)) return compare_products(space, a, b, tolerance);
  NetworkEquivalence out;
  NetworkElement found = match_networks(space, a, b);
  const bool direct = found.residual <= tolerance;
  double nearest = found.residual;
  if (!direct && may_have_dead_units(space))
    nearest =
        std::min(nearest, match_networks(space, without_dead_units(space, a), without_dead_units(space, b)).residual);
  const bool equal = nearest <= tolerance;
  const double visible = std::max(tolerance, 1e-9);
  const bool runs = random_input(space, RandomKey(0, "equivalence input"), 1).has_value();
  Trial trial = try_inputs(space, a, b, decision_gap * visible);
  if (equal && !(trial.largest > visible)) {
    out.decision = Decision::same;
  } else if (!equal && (runs ? trial.witness.has_value() : !(nearest <= decision_gap * tolerance))) {
    out.decision = Decision::different;
    out.witness = std::move(trial.witness);
  }
  if (out.decision != Decision::same)
    out.nearest = std::move(found);
  else if (direct)
    out.element = std::move(found);
  return out;
}

}  // namespace weft
