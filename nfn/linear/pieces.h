#pragma once
// A linear layer's term list as matrix products, where it is one (spec 4.1): every term is one feature times one phi,
// every index of the feature is either contracted with phi or kept on the left, every other index on the left stands in
// phi. Then, for fixed values q of the contracted and r of the new indices,
//     y_e,(r,c) += Σ_d phi_ed,qr x_d,(q,c)        c: the kept indices
// is one product [e, d] x [d, columns] per network.

#include <optional>
#include <vector>

#include "weft/groups/term.h"

namespace weft::linear {

/// Positions at[v, c] = v steps.v + c steps.c; the step of an index with one value is 0.
struct Steps {
  std::int64_t v = 0, c = 0;
};

struct Piece {
  int feature, target, parameter;
  int arrangement = 0;
  bool first = false;                                   ///< the first to write its target, in the order of the pieces
  std::int64_t columns = 1, contracted = 1, added = 1;  ///< values of c, q, r
  std::int64_t phi_size = 1;                            ///< numbers of phi per (e, d)
  std::vector<std::int64_t> phi_at = {};                ///< [q, r]: position in them
  std::vector<std::int64_t> out_at = {};                ///< [r, c]: position in the target
  bool straight = false;                                ///< out_at[r, c] = out_at[r, 0] + c
  Steps phi_steps = {}, out_steps = {};                 ///< of the two, in a wide list
};

/// A feature with its entries in the order (q, c).
struct Arrangement {
  int feature;
  std::int64_t columns, contracted;
  std::vector<std::int64_t> from;  ///< [q, c]: position in the feature
  bool straight;                   ///< from is 0, 1, 2, …
  Steps steps = {};                ///< of `from`, in a wide list
};

/// phi [e, r] added to every network: y_e,r += phi_e,r.
struct Constant {
  int target, parameter;
  std::vector<std::int64_t> out_at;  ///< [r]
};

struct Pieces {
  std::vector<Piece> pieces;  ///< by arrangement
  std::vector<Arrangement> arrangements;
  std::vector<Constant> constants;
  std::vector<bool> written;  ///< targets that some piece writes
  /// Some piece has so many fixed values that a product for each costs more than one on rearranged operands, and all
  /// rearrange by runs.
  bool wide = false;
};

/// Nothing when a term is of another form (means, sums or broadcasts over a moved axis, diagonals).
std::optional<Pieces> pieces_of(const TermList& list);

}  // namespace weft::linear
