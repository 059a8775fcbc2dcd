#pragma once
// A linear layer's term list as products of views, where it is one (spec 4.2): every term reads a feature summed over
// some axes, mixes its channels by phi, and repeats the result along other axes. A view is what terms share: a tensor
// of the input summed once, or a tensor of the output to which one sum of terms is added. Terms that are linked by
// common views make one mix, which is one product over all of the batch:
//     out [Σ e added, batch moved] = phi [Σ e added, Σ d contracted] in [Σ d contracted, batch moved]
// with the phis of its terms as blocks. Internal to nfn/linear.

#include <optional>
#include <vector>

#include "weft/groups/term.h"

namespace weft::linear {

/// Rows of a mix that belong to one tensor: channels x fixed rows of `moved` columns per network.
struct View {
  int tensor = 0;          ///< feature or target
  unsigned axes = 0;       ///< bit 0: rows are kept apart, bit 1: columns; summed over (broadcast along) the others
  double scale = 1;        ///< of a mean
  std::int64_t fixed = 1;  ///< values of the indices that phi carries
  std::int64_t moved = 1;  ///< values of the kept ones
  std::vector<std::int64_t> at = {};  ///< [fixed, moved]: position in the summed tensor
  int mix = -1;
  std::int64_t row = 0;  ///< first of its rows in the mix
};

/// The tensors of one space as matrices: [rows, columns] per channel, a vector as one row.
struct Side {
  struct Matrix {
    std::int64_t channels, rows = 1, columns = 1;
    std::vector<View> views = {};
    int direct = -1;  ///< position of the direct mix that reads or writes it
  };
  std::vector<Matrix> tensors;
};

/// One term's place in the phi of a mix: entry (row_out + e added + r, row_in + d contracted + q) is phi[e, d, at[q,
/// r]].
struct PhiBlock {
  int parameter;
  std::int64_t row_in, row_out, d, e, contracted, added;
  std::vector<std::int64_t> at = {};
};

struct Mix {
  std::int64_t columns = 1;  ///< per network
  std::int64_t rows_in = 0, rows_out = 0;
  std::int64_t ones = -1;  ///< row that is 1 for every network, for terms without features
  std::vector<PhiBlock> blocks = {};
};

/// A tensor mapped to one of the same shape as it lies in memory, which no other term mixes: y += phi x by network.
struct Direct {
  int feature, target, parameter;
};

struct Mixing {
  Side in, out;
  std::vector<Mix> mixes;
  std::vector<Direct> direct;
};

/// For d -> e channels. Nothing when a term has a diagonal, an integer index, lets, a tensor of three axes, or shares
/// its phi.
std::optional<Mixing> mixing_of(const TermList& list, std::int64_t d, std::int64_t e);

}  // namespace weft::linear
