#include "weft/nfn/graph/graph_network.h"

#include <fmt/format.h>

#include "weft/nfn/magep/tables.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

constexpr const char* who = "graph_network";

/// What is left of the group.
Space respected(const Space& space, bool scales) {
  const Space unsigned_ = space.with_kind(FactorKind::sign_monomial, FactorKind::permutation)
                              .with_kind(FactorKind::monomial, FactorKind::positive_monomial);
  return scales ? unsigned_ : unsigned_.with_kind(FactorKind::positive_monomial, FactorKind::permutation);
}

std::vector<std::int64_t> chain_widths(const Space& space) {
  std::vector<std::int64_t> widths = magep::dense_widths(who, space.without_taps());
  const auto moves = [&](const char* tensor, std::size_t axis) {
    return space.type(space.tensor(tensor))[static_cast<int>(axis)].moves();
  };
  const std::string last = fmt::format("b{}", widths.size() - 1);
  if (moves("W1", 1) || moves(last.c_str(), 0))
    throw UsageError("[{}] space '{}' has moving ends; allowed: fixed ones", who, space.str());
  return widths;
}

const GraphNetwork::Config& checked(const GraphNetwork::Config& c) {
  for (const auto& [name, value] : {std::pair{"d", c.d},
                                    {"rounds", c.rounds},
                                    {"hidden", c.hidden},
                                    {"outputs", c.outputs},
                                    {"channels", c.channels}})
    if (value < 1) throw UsageError("[{}] {} is {}; allowed: 1 or more", who, name, value);
  return c;
}

/// A tensor of one number for every node of an axis, [B, n] or [n], which no scale acts on.
Var constant_on(Tape& tape, const Axis& axis, const Shape& shape, DType dtype, double value) {
  Type type(shape.rank() - 1);
  type.push_back(Axis(*axis.factor));
  const Tensor numbers = tape.empty(shape, dtype);
  numbers.fill(value);
  return tape.constant(numbers, type);
}

}  // namespace

GraphNetwork::GraphNetwork(const Space& space, const Config& config, const Module& as)
    : Module(as),
      space_(respected(space, config.scales)),
      config_(checked(config)),
      widths_(chain_widths(space_)),
      nodes_(widths_.size()),
      edges_(widths_.size()),
      in_(add_parameter("in.positions", {config.d, widths_.front()}, Init::normal(1))),
      out_(add_parameter("out.positions", {config.d, widths_.back()}, Init::normal(1))),
      mlp_(*this, "readout",
           {config.d * static_cast<std::int64_t>(widths_.size()), config.hidden, config.hidden, config.outputs}) {
  const auto lift = [&](char kind, std::size_t layer) {
    const std::string name = fmt::format("{}{}", kind, layer);
    Lift made{.tensor = space_.tensor(name)};
    const std::int64_t numbers = config.channels * space_.tensors()[static_cast<std::size_t>(made.tensor)].taps();
    const Init init = Init::fan_in_uniform(static_cast<double>(numbers));
    made.weight = add_parameter(name + ".weight", {config.d, numbers}, init);
    if (!config.scales) made.shift = add_parameter(name + ".shift", {config.d}, init);
    return made;
  };
  double multiplications = 0;  // of the lifts
  for (std::size_t l = 1; l < widths_.size(); ++l) {
    edges_[l] = lift('W', l);
    nodes_[l] = lift('b', l);
    for (const Lift& made : {edges_[l], nodes_[l]})
      multiplications += static_cast<double>(config.d * space_.feature_shape(made.tensor, 1, config.channels).numel());
  }
  for (std::int64_t t = 0; t < config.rounds; ++t)
    rounds_.emplace_back(*this, fmt::format("rounds.{}", t), widths_, config.d, t + 1 < config.rounds);
  facts() = {.text = fmt::format("graph network of {} channels, {} rounds{}", config.d, config.rounds,
                                 config.scales ? ", respects scales" : ""),
             .flops = [=](std::int64_t batch) { return 2. * static_cast<double>(batch) * multiplications; }};
}

void GraphNetwork::check(const Features& x) const {
  if (x.vars().size() != space_.tensors().size())
    throw ShapeError("[{}] {} features; allowed: {}, one per tensor of the space", who, x.vars().size(),
                     space_.tensors().size());
  for (int t = 0; t < static_cast<int>(space_.tensors().size()); ++t) {
    const std::string& name = space_.tensors()[static_cast<std::size_t>(t)].name;
    const Shape wanted = space_.feature_shape(t, x.batch(), config_.channels);
    if (x[t].shape() != wanted)
      throw ShapeError("[{}] tensor '{}' of shape {}; allowed: {}", who, name, x[t].shape().str(), wanted.str());
    if (!(x[t].type() == space_.type(t)))
      throw TypeError("[{}] tensor '{}' of type {}; allowed: {}, of GraphNetwork::space()", who, name,
                      x[t].type().str(), space_.type(t).str());
  }
}

graph::Chain GraphNetwork::lifted(const Features& x) const {
  Tape& tape = x.tape();
  graph::Chain chain(tape, widths_.size(), config_.scales);
  const Axis in = x[edges_[1].tensor].type()[1];
  chain.set_nodes(0,
                  contract("dn,bn->dbn", on(tape, in_), constant_on(tape, in, {x.batch(), widths_[0]}, x.dtype(), 1)));
  for (std::size_t l = 1; l < widths_.size(); ++l) {
    const Lift &edge = edges_[l], &node = nodes_[l];
    const Var &weights = x[edge.tensor], &biases = x[node.tensor];
    Var h = config_.scales ? contract("bcn,dc->dbn", biases, on(tape, node.weight))
                           : contract("bcn,dc+d->dbn", biases, on(tape, node.weight), on(tape, node.shift));
    // Positions of an end that does not move may be added to whatever else stands there.
    if (l + 1 == widths_.size())
      h = contract("dn,bn+dbn->dbn", on(tape, out_),
                   constant_on(tape, biases.type()[0], {x.batch(), widths_[l]}, x.dtype(), 1), h);
    chain.set_nodes(l, h);
    chain.set_edges(l, config_.scales
                           ? contract("bcij,dc->dbij", weights, on(tape, edge.weight))
                           : contract("bcij,dc+d->dbij", weights, on(tape, edge.weight), on(tape, edge.shift)));
  }
  return chain;
}

Var GraphNetwork::readout(const graph::Chain& chain) const {
  Tape& tape = chain.nodes[0].tape();
  const std::span<Var> means = tape.variables(widths_.size());
  for (std::size_t l = 0; l < means.size(); ++l) {
    const Var& x = chain.nodes[l].type()[0].kind()->has_magnitudes() ? chain.canonical[l] : chain.nodes[l];
    const double mean = 1. / static_cast<double>(widths_[l]);
    means[l] = contract("dbn,n->bd", x, constant_on(tape, x.type()[0], {widths_[l]}, x.dtype(), mean));
  }
  return mlp_(concat(means, 1));
}

Var GraphNetwork::operator()(const Features& x) const {
  check(x);
  graph::Chain chain = lifted(x);
  for (const graph::Round& round : rounds_) round(chain);
  return readout(chain);
}

}  // namespace weft
