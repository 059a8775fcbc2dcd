#include "weft/nfn/baselines/statistics.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "weft/core/parallel.h"
#include "weft/core/team.h"

namespace weft {
namespace {

/// Number of networks; throws unless the weights are networks of the space.
std::int64_t networks(const char* who, const Space& space, std::span<const Tensor> weights) {
  if (weights.size() != space.tensors().size())
    throw ShapeError("[{}] {} tensors; the space has {}", who, weights.size(), space.tensors().size());
  const std::int64_t n = weights.empty() ? 0 : weights[0].dim(0);
  for (std::size_t t = 0; t < weights.size(); ++t) {
    const Shape expected = space.feature_shape(static_cast<int>(t), n, 1);
    if (!(weights[t].shape() == expected))
      throw ShapeError("[{}] tensor '{}' has shape {}; allowed: {}", who, space.tensors()[t].name,
                       weights[t].shape().str(), expected.str());
  }
  return n;
}

/// Throws for the first weight of float64 networks that is no finite number: what is sorted, or repeated until nothing
/// changes, must be one.
void check_finite(const char* who, const Space& space, std::span<const Tensor> weights, std::int64_t networks) {
  for (std::size_t t = 0; t < weights.size(); ++t) {
    const auto values = weights[t].span<double>();
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!std::isfinite(values[i]))
        throw NumericError("[{}] '{}' of network {} is {}; allowed: finite weights", who, space.tensors()[t].name,
                           i / (values.size() / static_cast<std::size_t>(networks)), values[i]);
  }
}

template <class T>
void statistics_of(std::span<double> x, T* to) {
  const auto n = static_cast<double>(x.size());
  const auto value = [p = x.data()](std::int64_t i) { return p[i]; };
  const Centre<double> centre = centre_of<double>(SerialTeam{}, std::ssize(x), value);
  *to++ = static_cast<T>(centre.mean + centre.residue);
  *to++ = static_cast<T>(variance_of(SerialTeam{}, std::ssize(x), centre, value));
  std::sort(x.begin(), x.end());
  for (int quarter = 0; quarter <= 4; ++quarter) {
    const double at = quarter * (n - 1) / 4;
    const auto below = static_cast<std::size_t>(at), above = std::min(below + 1, x.size() - 1);
    *to++ = static_cast<T>(x[below] + (at - static_cast<double>(below)) * (x[above] - x[below]));
  }
}

/// A tensor that a hidden factor scales, seen from one network as [outer, size, inner].
struct Scaled {
  std::size_t tensor;
  std::int64_t outer, size, inner;
  bool incoming;  ///< the factor acts on a vector axis
};

/// f(first entry of neuron j's line in a network's tensor) for every line.
template <class F>
void each_line(const Scaled& s, std::int64_t j, double* network, const F& f) {
  for (std::int64_t o = 0; o < s.outer; ++o) {
    double* line = network + (o * s.size + j) * s.inner;
    for (std::int64_t i = 0; i < s.inner; ++i) f(line[i]);
  }
}

/// Why networks of a space cannot be balanced; empty if they can.
std::string obstacle(const Space& space) {
  bool any = false;
  for (std::size_t f = 0; f < space.factors().size(); ++f) {
    const Factor& factor = space.factors()[f];
    if (factor.kind->scales != Scales::positive) continue;
    any = true;
    if (!factor.per.empty() || !factor.along.empty())
      return fmt::format("factor '{}' is {}; allowed: one that is per nothing and along nothing", factor.name,
                         factor.str());
    for (const SpaceTensor& tensor : space.tensors()) {
      for (const SpaceAxis& axis : tensor.axes)
        if (axis.factor == static_cast<int>(f) && !axis.characters.empty())
          return fmt::format("tensor '{}' has an axis '{}'; allowed: '{}' and '{}*'", tensor.name, space.str(axis),
                             factor.name, factor.name);
      if (std::count_if(tensor.axes.begin(), tensor.axes.end(),
                        [&](const SpaceAxis& a) { return a.factor == static_cast<int>(f); }) > 1)
        return fmt::format("tensor '{}' carries '{}' twice; allowed: once a tensor", tensor.name, factor.name);
    }
  }
  return any ? "" : fmt::format("'{}' has no positive_monomial factor to balance", space.str());
}

/// Per factor, the tensors that it scales; nothing for factors of other kinds.
std::vector<std::vector<Scaled>> hidden_factors(const Space& space) {
  if (const std::string why = obstacle(space); !why.empty()) throw TypeError("[balanced] {}", why);
  std::vector<std::vector<Scaled>> hidden(space.factors().size());
  for (std::size_t t = 0; t < space.tensors().size(); ++t) {
    const Shape axes = space.axes_shape(static_cast<int>(t));
    for (int a = 0; a < axes.rank(); ++a) {
      const SpaceAxis& axis = space.tensors()[t].axes[static_cast<std::size_t>(a)];
      const auto f = static_cast<std::size_t>(axis.factor);
      if (space.factors()[f].kind->scales == Scales::positive)
        hidden[f].push_back({t, space.tensors()[t].taps() * axes.sub(0, a).numel(), axes[a],
                             axes.sub(a + 1, axes.rank()).numel(), axis.role == AxisRole::vector});
    }
  }
  return hidden;
}

/// One neuron; returns how far its factor was from 1, NaN where its weights leave float64. `scale`: of the neuron so
/// far.
double balance_neuron(const std::vector<Scaled>& tensors, std::int64_t j, const std::vector<double*>& network,
                      double& scale) {
  double square[2] = {0, 0};
  for (const Scaled& s : tensors) each_line(s, j, network[s.tensor], [&](double& w) { square[s.incoming] += w * w; });
  if (!std::isfinite(square[0] + square[1])) return NAN;
  const bool dead = square[0] == 0 || square[1] == 0;
  const double factor = dead ? 0 : std::pow(square[0] / square[1], 0.25);
  for (const Scaled& s : tensors)
    each_line(s, j, network[s.tensor], [&](double& w) { w = dead ? 0 : s.incoming ? w * factor : w / factor; });
  scale *= factor;
  return dead ? 0 : std::abs(factor - 1);
}

}  // namespace

Tensor weight_statistics(const Space& space, std::span<const Tensor> weights) {
  const std::int64_t n = networks("weight_statistics", space, weights);
  const auto tensors = static_cast<std::int64_t>(weights.size());
  const DType dtype = weights.empty() ? DType::f32 : weights[0].dtype();
  const Tensor out = Tensor::zeros({n, statistics_per_tensor * tensors}, dtype);
  std::vector<Tensor> sorted;
  for (const Tensor& w : weights) sorted.push_back(w.to(DType::f64));
  check_finite("weight_statistics", space, sorted, n);
  with_float(dtype, "weight_statistics", [&](auto tag) {
    auto* to = out.data<decltype(tag)>();
    parallel_blocks(n, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        for (std::int64_t t = 0; t < tensors; ++t) {
          const Tensor& w = sorted[static_cast<std::size_t>(t)];
          const auto size = static_cast<std::size_t>(w.numel() / n);
          statistics_of({w.data<double>() + static_cast<std::size_t>(i) * size, size},
                        to + (i * tensors + t) * statistics_per_tensor);
        }
    });
  });
  return out;
}

bool can_balance(const Space& space) { return obstacle(space).empty(); }

Balance balance(const Space& space, std::span<const Tensor> weights) {
  constexpr double settled = 1e-10;
  constexpr int most_sweeps = 100000;
  const std::int64_t n = networks("balanced", space, weights);
  const auto hidden = hidden_factors(space);
  Balance out;
  for (const Tensor& w : weights) out.weights.push_back(w.to(DType::f64));
  check_finite("balanced", space, out.weights, n);
  for (const Factor& f : space.factors()) {
    out.scales.emplace_back();
    if (f.kind->scales != Scales::positive) continue;
    out.scales.back() = Tensor::zeros({n, f.size}, DType::f64);
    out.scales.back().fill(1);
  }
  std::vector<double> change(static_cast<std::size_t>(n), INFINITY);
  parallel_blocks(n, 1, [&](std::int64_t i, std::int64_t) {
    std::vector<double*> network;
    for (const Tensor& w : out.weights) network.push_back(w.data<double>() + i * (w.numel() / n));
    double& largest = change[static_cast<std::size_t>(i)];
    for (int sweeps = 0; largest > settled && sweeps < most_sweeps; ++sweeps) {
      largest = 0;
      for (std::size_t f = 0; f < hidden.size(); ++f)
        for (std::int64_t j = 0; !hidden[f].empty() && j < out.scales[f].dim(1); ++j) {
          const double moved = balance_neuron(hidden[f], j, network, out.scales[f][i].data<double>()[j]);
          if (!(moved <= largest)) largest = moved;  // and a NaN ends the sweeps
          if (std::isnan(moved)) return;
        }
    }
  });
  for (std::size_t i = 0; i < change.size(); ++i)
    if (!(change[i] <= settled))
      throw NumericError("[balanced] network {} {}; are its weights of a size that can be squared?", i,
                         std::isnan(change[i]) ? "leaves float64" : "does not settle");
  return out;
}

std::vector<Tensor> balanced(const Space& space, std::span<const Tensor> weights) {
  return balance(space, weights).weights;
}

}  // namespace weft
