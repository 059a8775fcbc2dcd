#pragma once

#include "weft/networks/population/definition.h"
#include "weft/networks/transformer/transformer_layers.h"

namespace weft {

/// What TransformerPopulation computes by kernels of its own, with as many tokens as the items have: pad_batch is not
/// used. Throws what TransformerArchitecture::space() throws.
std::shared_ptr<const NetworkDefinition> transformer_definition(const TransformerArchitecture& architecture);

}  // namespace weft
