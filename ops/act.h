#pragma once
// A group element acting on a feature of its space, as a differentiable operation (spec 1.2, 1.5).

#include "weft/autograd/op_case.h"
#include "weft/groups/element.h"

namespace weft {

/// y = g x for tensor `tensor` of the element's space: vector axes by g, covector axes by g^{-T}; matrices per head act
/// before the heads move. x: [B, C, axes…]  y: the same shape and type vjp   gx = g^T gy, the inverse of the dual
/// action     saves nothing Throws ShapeError when x is no feature of that tensor. The element must outlive the step.
Var act(const Element& g, int tensor, const Var& x);

/// The same on raw memory, without tape: for files, test data and references. float32 or float64; the element acts in
/// float64.
Tensor act(const Element& g, int tensor, const Tensor& x);

std::vector<OpCase> act_cases();

}  // namespace weft
