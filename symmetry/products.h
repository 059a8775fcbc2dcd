#pragma once
// Networks that are products: low-rank adapters B A, and longer chains of matrices with GL between them.

#include <optional>
#include <span>

#include "weft/symmetry/network.h"

namespace weft {

/// Whether every moved factor of the space is a GL between two tensors, one with it as vector and one as covector, so
/// that tensors are chains of products; others nothing moves. Nothing but products may be made of an axis under GL, so
/// that a chain computes its product, and any number of adapters is one network. No taps, and two axes a tensor but at
/// the ends of a chain.
bool is_products(const Space& space);

/// Of such a space, features of one network [1, 1, axes…].
///   same        every chain's products differ by at most `tolerance` of the larger one's Frobenius norm; with the
///               element that carries a to b where there is one: equal products of lower rank need not have any
///   different   some chain's differ by more than 3 times that; the witness is an input x [8, n] of the chain that
///               differs most, and y = x P^T with P its product [m, n]: rows are the fixed axes of its last tensor,
///               columns those of its first
///   undecided   what lies between
/// Products are compared as they are factored and never multiplied out. Throws UsageError for another space.
NetworkEquivalence compare_products(const Space& space, std::span<const Tensor> a, std::span<const Tensor> b,
                                    double tolerance);

}  // namespace weft
