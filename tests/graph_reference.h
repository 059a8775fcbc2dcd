#pragma once
// The graph network by its definition (spec 9.5), network by network and edge by edge.

#include "weft/nfn/graph/graph_network.h"

namespace weft::testing {

/// Outputs [B, outputs] in float64. Canonical vectors are formed, and results multiplied by norms, where the model
/// leaves both out.
Tensor graph_reference(const GraphNetwork& model, const GraphNetwork::Config& config, std::span<const Tensor> weights);

}  // namespace weft::testing
