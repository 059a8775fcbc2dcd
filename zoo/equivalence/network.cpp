#include "weft/zoo/equivalence/network.h"

#include <algorithm>
#include <cmath>

#include "weft/core/error.h"

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

/// Sets the weights of dead units to zero, until there is no other. Only in plain chains of layers: a stream is read
/// and written by many.
std::vector<Tensor> without_dead_units(const Space& space, std::span<const Tensor> weights) {
  std::vector<Tensor> out;
  for (const Tensor& w : weights) out.push_back(w.to(DType::f64));
  const auto& factors = space.factors();
  if (std::any_of(factors.begin(), factors.end(), [](const Factor& f) { return !f.per.empty(); })) return out;
  for (bool changed = true; changed;) {
    changed = false;
    for (int f = 0; f < static_cast<int>(factors.size()); ++f) {
      const Factor& factor = factors[static_cast<std::size_t>(f)];
      if (factor.kind == Kind::fixed || factor.kind == Kind::GL) continue;
      const auto n = static_cast<std::size_t>(factor.size);
      std::vector<char> alive[2] = {std::vector<char>(n), std::vector<char>(n)};
      bool used[2] = {false, false};
      auto each = [&](const auto& visit) {
        for (int t = 0; t < static_cast<int>(out.size()); ++t) {
          const auto& axes = space.tensors()[static_cast<std::size_t>(t)].axes;
          for (int i = 0; i < static_cast<int>(axes.size()); ++i)
            if (axes[static_cast<std::size_t>(i)].factor == f)
              visit(t, i, axes[static_cast<std::size_t>(i)].role == Role::vector ? 0 : 1);
        }
      };
      each([&](int t, int axis, int side) {
        used[side] = true;
        each_value(space, out, t, axis, [&](double x, std::size_t unit) { alive[side][unit] |= x != 0; });
      });
      if (!used[0] || !used[1]) continue;
      // Without input a unit is act(0): zero where the group has scales or signs.
      const bool silent_without_input = factor.kind != Kind::permutation;
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

std::optional<NetworkWitness> find_witness(const Space& space, std::span<const Tensor> a, std::span<const Tensor> b,
                                           double tolerance) {
  std::optional<NetworkWitness> best;
  for (std::uint64_t n = 0; n < draws && !(best && n >= enough); ++n) {
    const double scales[] = {1, 4, 0.25};
    const auto x = random_input(space, Key(0, "equivalence input").at(n), scales[n % 3]);
    if (!x) return {};
    NetworkWitness w{*x, evaluate_network(space, a, *x), evaluate_network(space, b, *x), 0};
    double change = 0, size = 0;
    for (std::int64_t i = 0; i < w.y_a.numel(); ++i) {
      const double ya = w.y_a.data<double>()[i], yb = w.y_b.data<double>()[i];
      change = std::max(change, std::abs(ya - yb));
      size = std::max({size, std::abs(ya), std::abs(yb)});
    }
    if (size > 0) w.difference = change / size;
    if (w.difference > std::max(tolerance, 1e-9) && (!best || w.difference > best->difference)) best = std::move(w);
  }
  return best;
}

}  // namespace

const char* name(Decision decision) {
  return decision == Decision::same ? "same" : decision == Decision::different ? "different" : "undecided";
}

NetworkEquivalence compare_networks(const Space& space, std::span<const Tensor> a, std::span<const Tensor> b,
                                    double tolerance) {
  if (!(tolerance > 0 && tolerance < 1))
    throw UsageError("[equivalence] tolerance {}; allowed: between 0 and 1", tolerance);
  check(space, "a", a);
  check(space, "b", b);
  NetworkEquivalence out;
  if (auto found = match_networks(space, a, b); found && found->residual <= tolerance) {
    out.decision = Decision::same;
    out.element = std::move(found);
    return out;
  }
  const auto alive_a = without_dead_units(space, a), alive_b = without_dead_units(space, b);
  if (const auto found = match_networks(space, alive_a, alive_b); found && found->residual <= tolerance) {
    out.decision = Decision::same;
    return out;
  }
  out.witness = find_witness(space, a, b, tolerance);
  if (out.witness) out.decision = Decision::different;
  return out;
}

}  // namespace weft
