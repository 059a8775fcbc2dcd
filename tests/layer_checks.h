#pragma once
// A fast schedule against its term list, values and all gradients, and against the group.

#include <functional>
#include <string>
#include <vector>

#include "weft/groups/element.h"
#include "weft/groups/term.h"
#include "weft/nfn/list_layer.h"
#include "weft/tests/isa_levels.h"

namespace weft::testing {

using Vars = std::vector<Var>;

/// A layer as a function of features and learned tensors.
using Layer = std::function<Vars(std::span<const Var> features, std::span<const Var> learned)>;

/// A layer, from features to features or to one variable, that reads its input as `input` says.
template <class Made>
Layer scheduled(const Made& layer, const LayerInput& input = {}) {
  return [&layer, input](std::span<const Var> x, std::span<const Var> learned) {
    const auto y = layer.apply(Features(layer.in(), x), learned, input);
    if constexpr (requires { y.vars(); })
      return Vars(y.vars().begin(), y.vars().end());
    else
      return Vars{y};
  };
}

struct Channels {
  std::int64_t d, e, batch;
};

struct LayerData {
  std::vector<Tensor> features, learned;
  LayerData to(DType dtype) const;
};

/// Features of deviation 1 / sqrt(last axis), so that chains of products keep about unit size; learned tensors of 0.5.
LayerData layer_data(const TermList& list, const Channels& c, RandomKey key);

struct LayerResult {
  std::vector<Tensor> values, gradients;
};

/// What happens between the layer and its backward pass.
using Meanwhile =
    std::function<void(std::span<const Var> features, std::span<const Var> learned, std::span<const Var> outputs)>;

/// Random cotangents. Ψ is constant unless `train_psi`. On a device when one is given; the result is the host's.
LayerResult run_layer(const Layer& layer, const TermList& list, const LayerData& data, bool train_psi, RandomKey key,
                      Backend* backend = nullptr, const Meanwhile& meanwhile = {});

/// Activation and dropout as ops of their own (dropout on tensors of two axes), then the list by its interpreter.
Layer reference(const TermList& list, std::int64_t e, const LayerInput& input = {});

/// The worst of all channels of all tensors, see relative_error_of_blocks(): of the first `features` tensors, which are
/// features, along axis 1, of learned ones along axis 0.
double channel_error(std::span<const Tensor> got, std::span<const Tensor> expected, std::size_t features);

/// What differs by more than 1e-10 in float64 or 2e-4 in float32, channel by channel, or an empty string. Also when a
/// feature, a learned tensor or an output is changed in place before the backward pass, and that neither refuses nor
/// has the same bits.
std::string check_layer(const Layer& fast, const Layer& slow, const TermList& list, const LayerData& data,
                        bool train_psi, RandomKey key);

/// Largest relative error of layer(g x) against g layer(x), or against layer(x) where the layer has other outputs than
/// inputs, over four random elements of `acting`. In float64.
double group_error(const Layer& layer, const TermList& list, const LayerData& data, const Space& acting, RandomKey key,
                   const ElementRange& range = {});

/// What differs in any bit between 1, 2 and 4 threads, or an empty string.
std::string check_threads(const Layer& layer, const TermList& list, const LayerData& data, RandomKey key);

}  // namespace weft::testing
