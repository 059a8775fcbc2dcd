#pragma once

#include <memory>

#include "weft/networks/cnn/cnn_layers.h"
#include "weft/networks/population/definition.h"

namespace weft {

/// What CnnPopulation computes by kernels of its own: convolutions without padding, activation and dropout after each,
/// mean over the image, one dense layer. Throws what CnnArchitecture::space() throws.
std::shared_ptr<const NetworkDefinition> cnn_definition(const CnnArchitecture& architecture);

}  // namespace weft
