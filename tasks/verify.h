#pragma once
// Does a trained model respect the group of its networks? Random elements, with a control that must fail.

#include <string>
#include <vector>

#include "weft/nfn/models/reader.h"

namespace weft {

struct VerifyRow {
  std::string check;     ///< what was done: "moved by scales U[1, 100]"
  std::string group;     ///< the kinds of the factors that moved
  double error = 0;      ///< largest change of a logit over the largest logit; NaN where one is no number
  double bound = 0;      ///< above what rounding makes of a symmetry: error must stay below it, a control's exceed it
  bool control = false;  ///< an element that is no symmetry
  bool passed = false;
};

/// Moves random networks of the model's space by random elements of its group, in float64, and compares the logits:
/// permutations alone, then with scales U[1, 10] and U[1, 100] (or signs, or GL elements of that condition number),
/// each to 1e-9 for a model of float64, to 1e-4 for one of float32; then negative controls, elements of groups that are
/// not the model's, which must change the logits by more than that. Networks are moved in float64, and rounded to
/// float32 for a model of it.
/// Readers of sine networks (Reader::sine_moves) are moved by every part of these networks' group (spec 9.1): the parts
/// that they do not respect are controls, and say by how much; so are shifts by half a step and flips of incoming
/// weights alone.
std::vector<VerifyRow> verify_invariance(const Reader& model, std::uint64_t seed);

}  // namespace weft
