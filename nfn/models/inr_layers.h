#pragma once
// The layers that readers of implicit networks are made of, by name.

#include <cstdint>
#include <string>
#include <vector>

#include "weft/ops/features.h"

namespace weft {

/// MAGEP's polynomial layers (spec 2.2), or linear ones: monomial (spec 4.1), NP's or HNP's (spec 4.2).
enum class InrLayers : std::uint8_t { magep, monomial, np, hnp };

/// The term list of a linear kind; of magep's that which goes with it, the monomial one. The monomial list is without
/// sign terms, so that every group of hidden neurons allows it; NP's ends are permuted in its derivation, which fixed
/// ones allow.
std::string linear_terms(InrLayers kind, const std::vector<std::int64_t>& widths);

/// What an editor returns: x + update, x repeated for each of the update's channels. x: [B, 1, axes…] of its space
Features with_update(const Features& x, const Features& update);

}  // namespace weft
