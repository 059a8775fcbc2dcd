#pragma once
// Random lists of typed terms, legal and illegal: what the rule, the interpreter and its vjp are tested on.

#include <string>
#include <vector>

#include "weft/groups/term.h"
#include "weft/tests/random_space.h"

namespace weft::testing {

/// A dozen small spaces: all kinds of factors, per head and per expert, recurrent, residual, with taps.
std::vector<Space> spaces_for_terms();

struct RandomTerms {
  std::string text;       ///< a let or two perhaps, whose types are legal, and one term
  int degree = 0;         ///< features and lets on the right of the term, up to 3
  bool lets = false;      ///< it reads a let
  bool mean = false;      ///< the term has one
  bool diagonal = false;  ///< an index stands twice on its left
  /// An index runs over two fixed factors: refused as a mistake, though nothing moves there (spec 7.2).
  bool two_fixed = false;
};

/// A list from the space to itself. Places of moved factors are paired as the rule wants it, or wildly, half and half.
RandomTerms random_terms(const Space& space, RandomKey key);

}  // namespace weft::testing
