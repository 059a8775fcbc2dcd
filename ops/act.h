#pragma once
// A group element acting on a feature of its space, as a differentiable operation (spec 1.2, 1.5).

#include "weft/groups/element.h"
#include "weft/ops/features.h"

namespace weft {

/// y = g x for tensor `tensor` of the element's space: vector axes by g, covector axes by g^{-T}; matrices per head act
/// before the heads move.
/// x: [B, C, axes…]  y: the same shape and type
/// vjp   gx = g^T gy, the inverse of the dual action     saves nothing
/// Throws ShapeError when x is no feature of that tensor. On a device each call copies the element into the step's
/// memory there: not for steps that a graph replays.
Var act(const Element& g, int tensor, const Var& x);

/// The same without tape, where x lies: for files, test data and references. float32 or float64; the element acts in
/// float64.
Tensor act(const Element& g, int tensor, const Tensor& x);

/// The same of every tensor of the element's space.
Features act(const Element& g, const Features& x);
std::vector<Tensor> act(const Element& g, std::span<const Tensor> x);

}  // namespace weft
