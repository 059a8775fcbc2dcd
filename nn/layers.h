#pragma once
// Plain layers on free axes.

#include <optional>
#include <string>
#include <vector>

#include "weft/nn/module.h"
#include "weft/ops/contract.h"

namespace weft {

/// y = act(x W^T + b)        x: [B, fan_in]  W: [fan_out, fan_in]  b: [fan_out]  y: [B, fan_out]
/// W and b start uniform in ±1/sqrt(fan_in).
class Linear : public Module {
 public:
  Linear(const Module& parent, std::string_view name, std::int64_t fan_in, std::int64_t fan_out);
  Var operator()(const Var& x, std::optional<UnaryOp> activation = {}) const;

 private:
  int weight_, bias_;
};

/// y = (x - mean) / sqrt(var + 1e-5) * gain + shift over the last axis        x: [B, n]
class LayerNormLayer : public Module {
 public:
  LayerNormLayer(const Module& parent, std::string_view name, std::int64_t n);
  Var operator()(const Var& x) const;

 private:
  int gain_, shift_;
};

/// Multiplies single values by 0 or 1 / (1 - rate), in training. x: any plain tensor. Throws UsageError unless 0 <=
/// rate < 1.
Var dropout(const Var& x, double rate, RandomKey key);

/// Linear layers with ReLU (and layer norm before it, when asked) between them.
class Mlp : public Module {
 public:
  /// sizes: fan_in, hidden…, fan_out; at least two. Throws UsageError otherwise.
  Mlp(const Module& parent, std::string_view name, const std::vector<std::int64_t>& sizes, bool norm = false);
  Var operator()(Var x) const;

 private:
  std::vector<Linear> linears_;
  std::vector<LayerNormLayer> norms_;
};

}  // namespace weft
