#include "weft/nfn/graph/round.h"

#include <functional>

#include "weft/nfn/graph/norms.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"

namespace weft::graph {
namespace {

/// Of a matrix of d x d on `columns` columns of one network.
std::function<double(std::int64_t)> products(std::int64_t d, std::int64_t columns) {
  return [=](std::int64_t batch) { return 2. * static_cast<double>(batch * d * d * columns); };
}

std::int64_t edges_of(std::span<const std::int64_t> widths) {
  std::int64_t all = 0;
  for (std::size_t l = 1; l < widths.size(); ++l) all += widths[l] * widths[l - 1];
  return all;
}

std::int64_t nodes_of(std::span<const std::int64_t> widths) {
  std::int64_t all = 0;
  for (const std::int64_t n : widths) all += n;
  return all;
}

/// Starts of the layers of a network on `parts` vectors of d channels.
Init first_layer(std::int64_t d, int parts) { return Init::fan_in_uniform(static_cast<double>(parts * d)); }
Init second_layer(std::int64_t d) { return Init::fan_in_uniform(static_cast<double>(d)); }

}  // namespace

Chain::Chain(Tape& tape, std::size_t layers, bool with_scales)
    : nodes(tape.variables(layers)),
      canonical(tape.variables(layers)),
      node_norms(tape.variables(layers)),
      edges(tape.variables(layers)),
      edge_norms(tape.variables(layers)),
      scales(with_scales) {}

void Chain::set_nodes(std::size_t layer, const Var& x) {
  nodes[layer] = canonical[layer] = x;
  if (!scales) return;
  node_norms[layer] = channel_norm(x);
  canonical[layer] = scale_channels(reciprocal(node_norms[layer]), x);
}

void Chain::set_edges(std::size_t layer, const Var& x) {
  edges[layer] = x;
  if (scales) edge_norms[layer] = channel_norm(x);
}

EdgeLayer::EdgeLayer(const Module& parent, std::string_view name, std::span<const std::int64_t> widths, std::int64_t d)
    : Module(parent, name),
      edge_(add_parameter("edge", {d, d}, first_layer(d, 3))),
      before_(add_parameter("before", {d, d}, first_layer(d, 3))),
      behind_(add_parameter("behind", {d, d}, first_layer(d, 3))),
      bias_(add_parameter("bias", {d}, first_layer(d, 3))) {
  // Every layer but the first is behind some edges, every one but the last before some.
  const std::int64_t ends = 2 * nodes_of(widths) - widths.front() - widths.back();
  facts() = {.text = "on edges and their ends", .flops = products(d, edges_of(widths) + ends)};
}

EdgeHidden EdgeLayer::operator()(const Chain& chain, std::size_t layer) const {
  const Var& x = chain.edges[layer];
  Tape& tape = x.tape();
  return {x, on(tape, edge_), contract("ed,dbj->ebj", on(tape, before_), chain.canonical[layer - 1]),
          contract("ed,dbi+e->ebi", on(tape, behind_), chain.canonical[layer], on(tape, bias_)),
          chain.edge_norms[layer]};
}

NodeNetwork::NodeNetwork(const Module& parent, std::string_view name, std::span<const std::int64_t> widths,
                         std::int64_t d)
    : Module(parent, name),
      own_(add_parameter("own", {d, d}, first_layer(d, 3))),
      forward_(add_parameter("forward", {d, d}, first_layer(d, 3))),
      backward_(add_parameter("backward", {d, d}, first_layer(d, 3))),
      bias_(add_parameter("bias", {d}, first_layer(d, 3))),
      out_(add_parameter("out", {d, d}, second_layer(d))),
      shift_(add_parameter("shift", {d}, second_layer(d))) {
  facts() = {.text = "on nodes and what they heard",
             .flops = products(d, 4 * nodes_of(widths) - widths.front() - widths.back())};
}

Var NodeNetwork::operator()(const Chain& chain, std::size_t layer, const Var& forward, const Var& backward) const {
  const Var& x = chain.nodes[layer];
  Tape& tape = x.tape();
  // Canonical inputs and a result times their norm are the same as constants times that norm, without a division.
  Var norm = chain.node_norms[layer];
  if (chain.scales)
    for (const Var& heard : {forward, backward})
      if (heard.defined()) norm = add(norm, channel_norm(heard));
  Var hidden = chain.scales
                   ? contract("ed,dbi+ebi->ebi", on(tape, own_), x, contract("e,bi->ebi", on(tape, bias_), norm))
                   : contract("ed,dbi+e->ebi", on(tape, own_), x, on(tape, bias_));
  // Every node hears from one side at least.
  const ContractOptions relu{.activation = UnaryOp::Relu}, none;
  if (forward.defined())
    hidden = contract("ed,dbi+ebi->ebi", on(tape, forward_), forward, hidden, backward.defined() ? none : relu);
  if (backward.defined()) hidden = contract("ed,dbi+ebi->ebi", on(tape, backward_), backward, hidden, relu);
  if (!chain.scales) return add(x, contract("ed,dbi+e->ebi", on(tape, out_), hidden, on(tape, shift_)));
  return contract("ed,dbi+ebi->ebi", on(tape, out_), hidden, contract("e,bi+ebi->ebi", on(tape, shift_), norm, x));
}

Round::Round(const Module& parent, std::string_view name, std::span<const std::int64_t> widths, std::int64_t d,
             bool updates_edges)
    : Module(parent, name),
      forward_(*this, "forward", widths, d),
      backward_(*this, "backward", widths, d),
      forward_out_(forward_.add_parameter("out", {d, d}, second_layer(d))),
      backward_out_(backward_.add_parameter("out", {d, d}, second_layer(d))),
      node_(*this, "node", widths, d) {
  std::int64_t columns = 2 * nodes_of(widths) - widths.front() - widths.back();
  if (updates_edges) {
    edge_.emplace(*this, "edge", widths, d);
    edge_out_ = edge_->add_parameter("out", {d, d}, second_layer(d));
    edge_shift_ = edge_->add_parameter("shift", {d}, second_layer(d));
    columns += edges_of(widths);
  }
  facts() = {.text = "round of messages", .flops = products(d, columns)};
}

Var Round::forward_message(const Chain& chain, std::size_t layer) const {
  const Var heard = messages(forward_(chain, layer), chain.node_norms[layer - 1], Receives::rows);
  return contract("ed,dbi->ebi", on(heard.tape(), forward_out_), heard);
}

Var Round::backward_message(const Chain& chain, std::size_t layer) const {
  Var share;
  const Var &norms = chain.edge_norms[layer], &before = chain.node_norms[layer - 1];
  if (chain.scales) {
    const double mean = 1. / static_cast<double>(before.shape()[1]);
    share = reciprocal(contract("bij,bj+bi->bi", norms, scale(before, mean), chain.node_norms[layer]));
  }
  Var heard = messages(backward_(chain, layer), share, Receives::columns);
  if (chain.scales) heard = scale_channels(square(before), heard);
  return contract("ed,dbj->ebj", on(heard.tape(), backward_out_), heard);
}

void Round::operator()(Chain& chain) const {
  Tape& tape = chain.nodes[0].tape();
  const std::size_t layers = chain.layers();
  const std::span<Var> forward = tape.variables(layers), backward = tape.variables(layers);
  for (std::size_t l = 1; l < layers; ++l) {
    forward[l] = forward_message(chain, l);
    backward[l - 1] = backward_message(chain, l);
  }
  for (std::size_t l = 0; l < layers; ++l) chain.set_nodes(l, node_(chain, l, forward[l], backward[l]));
  if (!edge_) return;
  for (std::size_t l = 1; l < layers; ++l)
    chain.set_edges(l, edge_update((*edge_)(chain, l), on(tape, edge_out_), on(tape, edge_shift_)));
}

}  // namespace weft::graph
