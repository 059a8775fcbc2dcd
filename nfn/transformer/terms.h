#pragma once
// Transformer-NFN (arXiv 2410.04209) as lists of typed terms (spec 3), for one block (tensors as transformer_space
// names them).

#include <string>

namespace weft {

/// E of spec 3.1. Learned: WQ.phi1, WK.phi1, WV.phi1, WO.phi1..2, WA.phi1..13, bA.phi1..10, WB.phi1..10, bB.phi1..7.
std::string transformer_equivariant_terms();

/// I of spec 3.2, before the LayerNorm: one output tensor `y` without axes. Learned: phi1..phi7.
std::string transformer_invariant_terms();

}  // namespace weft
