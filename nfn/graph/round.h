#pragma once
// One round of messages of a graph network (spec 9.5).

#include <optional>
#include <span>
#include <vector>

#include "weft/nfn/graph/edges.h"
#include "weft/nn/module.h"

namespace weft::graph {

/// Layers of nodes, 0 to L, and the edges between neighbours, as variables of a step. Where scales are respected with
/// their norms; else these are undefined, and `canonical` are the nodes themselves.
struct Chain {
  std::span<Var> nodes, canonical, node_norms;  ///< by layer: [d, B, n_l], the same divided by its norms, [B, n_l]
  std::span<Var> edges, edge_norms;  ///< by the layer that they lead to: [d, B, n_l, n_{l-1}], [B, n_l, n_{l-1}]
  bool scales;

  Chain(Tape& tape, std::size_t layers, bool scales);
  std::size_t layers() const { return nodes.size(); }
  void set_nodes(std::size_t layer, const Var& x);
  void set_edges(std::size_t layer, const Var& x);
};

/// The first layer, d -> d, of a network on an edge and its two ends. widths: n_0..n_L.
class EdgeLayer : public Module {
 public:
  EdgeLayer(const Module& parent, std::string_view name, std::span<const std::int64_t> widths, std::int64_t d);
  /// On the edges that lead to `layer`.
  EdgeHidden operator()(const Chain& chain, std::size_t layer) const;

 private:
  int edge_, before_, behind_, bias_;
};

/// A network on a node and what it heard from both sides, added to the node.
class NodeNetwork : public Module {
 public:
  NodeNetwork(const Module& parent, std::string_view name, std::span<const std::int64_t> widths, std::int64_t d);
  /// forward, backward: what came from the layer before and from the one behind; undefined at the ends.
  Var operator()(const Chain& chain, std::size_t layer, const Var& forward, const Var& backward) const;

 private:
  int own_, forward_, backward_, bias_, out_, shift_;
};

/// Messages to both sides, an update of the nodes and, unless the round is the last, of the edges. GraphNetwork says
/// what is computed.
class Round : public Module {
 public:
  Round(const Module& parent, std::string_view name, std::span<const std::int64_t> widths, std::int64_t d,
        bool updates_edges);
  void operator()(Chain& chain) const;

 private:
  Var forward_message(const Chain& chain, std::size_t layer) const;
  Var backward_message(const Chain& chain, std::size_t layer) const;

  EdgeLayer forward_, backward_;
  int forward_out_, backward_out_;
  NodeNetwork node_;
  std::optional<EdgeLayer> edge_;
  int edge_out_ = -1, edge_shift_ = -1;
};

}  // namespace weft::graph
