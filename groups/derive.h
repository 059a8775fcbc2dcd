#pragma once
// The complete linear equivariant layer between two spaces, derived from their groups alone (spec 7.4).

#include <string>

#include "weft/groups/space.h"

namespace weft {

struct DeriveOptions {
  bool means = false;    ///< sums written as mean(…), as NP and HNP have them (spec 4.2)
  bool constant = true;  ///< with the terms of degree 0
};

/// The text of a term list (TermList reads it): every legal term of degree 1 up to renaming, then of degree 0, numbered
/// per output tensor. Fixed axes all go into phi, the inputs' before the output's. Numbering: terms whose indices
/// balance with roles told apart come first, in the order of the input space; then those that only orthogonality
/// allows, nearest input tensor first. For dense networks this is the numbering of spec 4.1.
std::string derive_linear(const Space& in, const Space& out, const DeriveOptions& options = {});

}  // namespace weft
