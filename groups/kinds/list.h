#pragma once
// The kinds of factors, one file each beside this one: a new kind is its file and its line here.

/// In the order of the rule table's columns.
#define WEFT_KINDS(X)  \
  X(fixed)             \
  X(permutation)       \
  X(positive_monomial) \
  X(sign_monomial)     \
  X(monomial)          \
  X(orthogonal)        \
  X(rotary)            \
  X(rotary_adjacent)   \
  X(GL)
