#include "weft/ops/features.h"

#include <algorithm>

#include "weft/ops/view.h"

namespace weft {
namespace {

void check_count(std::size_t got, const Space& space) {
  if (got == 0 || got != space.tensors().size())
    throw ShapeError("[features] {} tensors; allowed: {}, one per tensor of the space, and at least one", got,
                     space.tensors().size());
}

/// made(tensor): its variable.
template <class Made>
Features features_of(Tape& tape, const Space& space, const Made& made) {
  const std::span<Var> vars = tape.variables(space.tensors().size());
  for (std::size_t t = 0; t < vars.size(); ++t) vars[t] = made(static_cast<int>(t));
  return {space, vars};
}

/// The same of an operation's result, which must be of the space's types.
template <class Made>
Features typed_features(const char* op, Tape& tape, const Space& space, const Made& made) {
  return features_of(tape, space, [&](int t) {
    const Var y = made(t);
    if (!(y.type() == space.type(t)))
      throw TypeError("[{}] tensor '{}' {} would become {}; allowed on features: what keeps types; use single tensors",
                      op, space.tensors()[static_cast<std::size_t>(t)].name, space.type(t).str(), y.type().str());
    return y;
  });
}

}  // namespace

Features::Features(const Space& space, std::span<const Var> tensors) : space_(&space) {
  check_count(tensors.size(), space);
  const std::span<Var> own = tensors[0].tape().variables(tensors.size());
  std::ranges::copy(tensors, own.begin());
  tensors_ = own;
}

void Features::refuse_undefined() {
  throw UsageError("[features] these are undefined; allowed: what Features::constant, leaf or a layer gave");
}

Features Features::constant(Tape& tape, const Space& space, std::span<const Tensor> weights) {
  check_count(weights.size(), space);
  return features_of(tape, space, [&](int t) {
    const auto at = static_cast<std::size_t>(t);
    return tape.constant(weights[at], space.type(t), space.tensors()[at].name);
  });
}

Features Features::leaf(Tape& tape, const Space& space, std::span<const Tensor> weights) {
  check_count(weights.size(), space);
  return features_of(tape, space, [&](int t) {
    const auto at = static_cast<std::size_t>(t);
    return tape.leaf(weights[at], space.type(t), space.tensors()[at].name);
  });
}

Features Features::normal(Tape& tape, const Space& space, std::int64_t batch, std::int64_t channels, RandomKey key,
                          DType dtype, double deviation) {
  return features_of(tape, space, [&](int t) {
    const std::string& name = space.tensors()[static_cast<std::size_t>(t)].name;
    const Tensor x = tape.empty(space.feature_shape(t, batch, channels), dtype);
    fill_normal(x, key.at(name), 0, deviation);
    return tape.constant(x, space.type(t), name);
  });
}

Features Features::gathered(Tape& tape, const Space& space, std::span<const Tensor> weights, const Tensor& items) {
  check_count(weights.size(), space);
  return features_of(tape, space, [&](int t) {
    const auto at = static_cast<std::size_t>(t);
    return gather(tape.constant(weights[at], space.type(t), space.tensors()[at].name), 0, items);
  });
}

Features unary(UnaryOp op, const Features& x, std::optional<double> p) {
  return typed_features(traits(op).name, x.tape(), x.space(), [&](int t) {
    require(action_of(op), traits(op).name, x.space().tensors()[static_cast<std::size_t>(t)].name, x[t].type());
    return unary(op, x[t], p);
  });
}

Features binary(BinaryOp op, const Features& a, const Features& b) {
  if (&a.space() != &b.space() && !(a.space() == b.space()))
    throw ShapeError("[features] '{}' and '{}'; allowed: two features of one space", a.space().str(), b.space().str());
  return typed_features("features", a.tape(), a.space(), [&](int t) { return binary(op, a[t], b[t]); });
}

}  // namespace weft
