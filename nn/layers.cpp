#include "weft/nn/layers.h"

#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"
#include "weft/ops/view.h"

namespace weft {

Linear::Linear(Parameters& parameters, const std::string& name, std::int64_t fan_in, std::int64_t fan_out)
    : weight_(parameters.add(name + ".weight", {fan_out, fan_in}, Init::fan_in_uniform(static_cast<double>(fan_in)))),
      bias_(parameters.add(name + ".bias", {fan_out}, Init::fan_in_uniform(static_cast<double>(fan_in)))) {}

Var Linear::operator()(const Parameters& parameters, const Var& x, std::optional<UnaryOp> activation) const {
  Tape& tape = x.tape();
  return contract("bi,oi+o->bo", x, parameters.on(tape, weight_), parameters.on(tape, bias_),
                  {.activation = activation});
}

LayerNormLayer::LayerNormLayer(Parameters& parameters, const std::string& name, std::int64_t n)
    : gain_(parameters.add(name + ".gain", {n}, Init::ones())),
      shift_(parameters.add(name + ".shift", {n}, Init::zeros())) {}

Var LayerNormLayer::operator()(const Parameters& parameters, const Var& x) const {
  Tape& tape = x.tape();
  return contract("bn,n+n->bn", layer_norm(x), parameters.on(tape, gain_), parameters.on(tape, shift_));
}

Var dropout(const Var& x, double rate, Key key) {
  // Single values are channels of a tensor without further axes.
  return reshape(channel_dropout(reshape(x, {1, x.value().numel()}), rate, key), x.shape());
}

Mlp::Mlp(Parameters& parameters, const std::string& name, const std::vector<std::int64_t>& sizes, bool norm) {
  if (sizes.size() < 2)
    throw UsageError("[mlp] '{}' has {} sizes; allowed: at least fan_in and fan_out", name, sizes.size());
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    linears_.emplace_back(parameters, name + "." + std::to_string(i), sizes[i], sizes[i + 1]);
    if (norm && i + 2 < sizes.size())
      norms_.emplace_back(parameters, name + "." + std::to_string(i) + ".norm", sizes[i + 1]);
  }
}

Var Mlp::operator()(const Parameters& parameters, Var x) const {
  for (std::size_t i = 0; i < linears_.size(); ++i) {
    const bool last = i + 1 == linears_.size();
    if (last || norms_.empty()) {
      x = last ? linears_[i](parameters, x) : linears_[i](parameters, x, UnaryOp::Relu);
    } else {
      x = relu(norms_[i](parameters, linears_[i](parameters, x)));
    }
  }
  return x;
}

}  // namespace weft
