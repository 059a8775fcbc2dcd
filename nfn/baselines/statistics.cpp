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

/// Per positive_monomial factor, the tensors that it scales.
std::vector<std::vector<Scaled>> hidden_factors(const Space& space) {
  std::vector<std::vector<Scaled>> hidden;
  for (std::size_t f = 0; f < space.factors().size(); ++f) {
    if (space.factors()[f].kind != Kind::positive_monomial) continue;
    if (!space.factors()[f].per.empty())
      throw TypeError("[balanced] factor '{}' is {}; allowed: one that is per nothing", space.factors()[f].name,
                      space.factors()[f].str());
    std::vector<Scaled> tensors;
    for (std::size_t t = 0; t < space.tensors().size(); ++t) {
      const Shape axes = space.axes_shape(static_cast<int>(t));
      for (int a = 0; a < axes.rank(); ++a) {
        const SpaceAxis& axis = space.tensors()[t].axes[static_cast<std::size_t>(a)];
        if (axis.factor != static_cast<int>(f)) continue;
        if (!tensors.empty() && tensors.back().tensor == t)
          throw TypeError("[balanced] tensor '{}' carries '{}' twice; allowed: once a tensor", space.tensors()[t].name,
                          space.factors()[f].name);
        tensors.push_back({t, space.tensors()[t].taps() * axes.sub(0, a).numel(), axes[a],
                           axes.sub(a + 1, axes.rank()).numel(), axis.role == Role::vector});
      }
    }
    hidden.push_back(std::move(tensors));
  }
  if (hidden.empty()) throw TypeError("[balanced] '{}' has no positive_monomial factor to balance", space.str());
  return hidden;
}

/// One neuron; returns how far its factor was from 1.
double balance_neuron(const std::vector<Scaled>& tensors, std::int64_t j, const std::vector<double*>& network) {
  double square[2] = {0, 0};
  for (const Scaled& s : tensors) each_line(s, j, network[s.tensor], [&](double& w) { square[s.incoming] += w * w; });
  const bool dead = square[0] == 0 || square[1] == 0;
  const double factor = dead ? 0 : std::pow(square[0] / square[1], 0.25);
  for (const Scaled& s : tensors)
    each_line(s, j, network[s.tensor], [&](double& w) { w = dead ? 0 : s.incoming ? w * factor : w / factor; });
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

std::vector<Tensor> balanced(const Space& space, std::span<const Tensor> weights) {
  constexpr double settled = 1e-10;
  constexpr int most_sweeps = 100000;
  const std::int64_t n = networks("balanced", space, weights);
  const auto hidden = hidden_factors(space);
  std::vector<Tensor> out;
  for (const Tensor& w : weights) out.push_back(w.to(DType::f64));
  std::vector<char> restless(static_cast<std::size_t>(n), 0);
  parallel_blocks(n, 1, [&](std::int64_t i, std::int64_t) {
    std::vector<double*> network;
    for (const Tensor& w : out) network.push_back(w.data<double>() + i * (w.numel() / n));
    double change = 1;
    int sweeps = 0;
    for (; change > settled && sweeps < most_sweeps; ++sweeps) {
      change = 0;
      for (const auto& tensors : hidden)
        for (std::int64_t j = 0; !tensors.empty() && j < tensors[0].size; ++j)
          change = std::max(change, balance_neuron(tensors, j, network));
    }
    restless[static_cast<std::size_t>(i)] = !(change <= settled);
  });
  for (std::size_t i = 0; i < restless.size(); ++i)
    if (restless[i])
      throw NumericError("[balanced] network {} did not settle in {} sweeps; are its weights finite?", i, most_sweeps);
  return out;
}

}  // namespace weft
