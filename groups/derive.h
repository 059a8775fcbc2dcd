#pragma once
// Equivariant layers between two spaces, derived from their groups alone (spec 7.4, 8.3): complete linear ones, and all
// products of two features.

#include <cstdint>
#include <map>
#include <string>

#include "weft/groups/space.h"

namespace weft {

/// What a derived layer does along a fixed axis that the input and the output have.
struct AlongFixed {
  enum class Way : std::uint8_t { mixed, diagonal, low_rank, alone };
  Way way = Way::mixed;
  std::int64_t rank = 0;

  /// phi maps all places to all: complete, with n x n numbers.
  static constexpr AlongFixed mixed() { return {}; }
  /// phi has one number for each place.
  static constexpr AlongFixed diagonal() { return {Way::diagonal}; }
  /// phi psi maps all places to all, through `rank` numbers.
  static constexpr AlongFixed low_rank(std::int64_t rank) { return {Way::low_rank, rank}; }
  /// phi does not see the places, and every place of the output reads that of the input.
  static constexpr AlongFixed alone() { return {Way::alone}; }
};

struct DeriveOptions {
  bool means = false;                            ///< sums written as mean(…), as NP and HNP have them (spec 4.2)
  bool constant = true;                          ///< with the terms of degree 0
  std::map<std::string, AlongFixed> fixed = {};  ///< by name of the factor; mixed where nothing is said
};

/// The text of a term list (TermList reads it): every legal term of degree 1 up to renaming, then of degree 0, numbered
/// per output tensor. Fixed axes all go into phi, the inputs' before the output's, and those of rotary factors too;
/// options say where not. Numbering: terms whose indices balance with roles told apart come first, in the order of the
/// input space; then those that only self-duality allows, nearest input tensor first. For dense networks this is the
/// numbering of spec 4.1. Throws UsageError for an option of a factor that is not fixed, or a rank that is not 1 to its
/// size, and where a tensor has so many axes of one factor that there are more than 100000 ways to give them indices.
std::string derive_linear(const Space& in, const Space& out, const DeriveOptions& options = {});

struct DerivedQuadratic {
  std::string terms;          ///< all contractions of two features, fewest multiplications first
  std::string products;       ///< those that are an invariant times a feature
  std::int64_t left_out = 0;  ///< dearest terms beyond the limit
};

/// Every legal term of degree 2 up to renaming and exchange of the two features, at most `limit` of them; numbered per
/// output tensor, products behind the terms. Both texts together, or one alone, are a term list. Throws as
/// derive_linear does.
DerivedQuadratic derive_quadratic(const Space& in, const Space& out, const DeriveOptions& options = {},
                                  std::int64_t limit = 1000);

}  // namespace weft
