#include "weft/nn/layers.h"

#include <fmt/format.h>

#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"
#include "weft/ops/view.h"

namespace weft {

Linear::Linear(const Module& parent, std::string_view name, std::int64_t fan_in, std::int64_t fan_out)
    : Module(parent, name),
      weight_(add_parameter("weight", {fan_out, fan_in}, Init::fan_in_uniform(static_cast<double>(fan_in)))),
      bias_(add_parameter("bias", {fan_out}, Init::fan_in_uniform(static_cast<double>(fan_in)))) {
  facts() = {.text = fmt::format("linear {} -> {}", fan_in, fan_out),
             .flops = [=](std::int64_t batch) { return 2. * static_cast<double>(batch * fan_in * fan_out); }};
}

Var Linear::operator()(const Var& x, std::optional<UnaryOp> activation) const {
  Tape& tape = x.tape();
  return contract("bi,oi+o->bo", x, on(tape, weight_), on(tape, bias_), {.activation = activation});
}

LayerNormLayer::LayerNormLayer(const Module& parent, std::string_view name, std::int64_t n)
    : Module(parent, name),
      gain_(add_parameter("gain", {n}, Init::ones())),
      shift_(add_parameter("shift", {n}, Init::zeros())) {
  facts().text = fmt::format("layer norm of {}", n);
}

Var LayerNormLayer::operator()(const Var& x) const {
  Tape& tape = x.tape();
  return contract("bn,n+n->bn", layer_norm(x), on(tape, gain_), on(tape, shift_));
}

Var dropout(const Var& x, double rate, RandomKey key) {
  // Single values are channels of a tensor without further axes.
  return reshape(channel_dropout(reshape(x, {1, x.value().numel()}), rate, key), x.shape());
}

Mlp::Mlp(const Module& parent, std::string_view name, const std::vector<std::int64_t>& sizes, bool norm)
    : Module(parent, name) {
  if (sizes.size() < 2)
    throw UsageError("[mlp] '{}' has {} sizes; allowed: at least fan_in and fan_out", name, sizes.size());
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    const Linear& linear = linears_.emplace_back(*this, std::to_string(i), sizes[i], sizes[i + 1]);
    if (norm && i + 2 < sizes.size()) norms_.emplace_back(linear, "norm", sizes[i + 1]);
  }
}

Var Mlp::operator()(Var x) const {
  for (std::size_t i = 0; i < linears_.size(); ++i) {
    const bool last = i + 1 == linears_.size();
    if (last || norms_.empty()) {
      x = last ? linears_[i](x) : linears_[i](x, UnaryOp::Relu);
    } else {
      x = relu(norms_[i](linears_[i](x)));
    }
  }
  return x;
}

}  // namespace weft
