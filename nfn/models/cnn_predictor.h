#pragma once

#include <array>
#include <vector>

#include "weft/nfn/linear/linear.h"
#include "weft/nfn/magep/equivariant.h"
#include "weft/nfn/magep/invariant.h"
#include "weft/nn/layers.h"

namespace weft {

/// Accuracy of a small CNN from its weights (spec 2.6): Linear (taps folded, 1 -> d), act, [E d -> d, act] x layers,
/// I d -> d, MLP d -> head -> head -> 1, sigmoid. Positive monomials with ReLU, signs with tanh.
class CnnPredictor {
 public:
  struct Config {
    std::vector<std::int64_t> widths = {1, 16, 16, 16, 10};
    std::vector<std::array<std::int64_t, 2>> taps = {{3, 3}, {3, 3}, {3, 3}, {1, 1}};
    UnaryOp activation = UnaryOp::Relu;
    std::int64_t d = 20, head = 500;
    int layers = 2;
  };
  CnnPredictor(Parameters& parameters, const Config& config);

  /// The raw network: one channel, taps folded into it.
  const Space& input() const { return input_; }
  /// x: one feature per tensor of input()      the predicted accuracy [B, 1]
  Var operator()(const Parameters& parameters, std::span<const Var> x) const;

 private:
  Space input_, dense_;
  UnaryOp activation_;
  LinearLayer linear_;
  std::vector<MagepEquivariant> layers_;
  MagepInvariant pool_;
  Mlp head_;
};

}  // namespace weft
