#pragma once
// Losses per item; mean_all makes the scalar that is differentiated. Targets carry no gradient and lie where the
// prediction lies (DeviceError); they are copied into the step, and may be refilled before backward(). Inputs are plain
// tensors.

#include "weft/autograd/tape.h"

namespace weft {

/// -(t log p + (1 - t) log(1 - p)), the logarithms clamped at -100        p, t: [...], p in [0, 1]  ->  [...]
/// vjp   gp = gy (p - t) / max(p (1 - p), 1e-12)
Var binary_cross_entropy(const Var& p, const Tensor& target);

/// The same of p = sigmoid(z), without ever forming log(0): max(z, 0) - z t + log(1 + exp(-|z|))
/// vjp   gz = gy (sigmoid(z) - t)
Var binary_cross_entropy_with_logits(const Var& z, const Tensor& target);

/// -log softmax(z)[label] per row        z: [..., classes]  label: int32 [...]  ->  [...]
/// vjp   gz = gy (softmax(z) - onehot)
/// Throws UsageError for a label out of range; on a device, where nobody waits to look at it, its loss and its gradient
/// are NaN.
Var cross_entropy(const Var& z, const Tensor& label);

/// (x - t)²        vjp   gx = 2 gy (x - t)
Var squared_error(const Var& x, const Tensor& target);

/// The mean of all values, as a tensor without axes.
Var mean_all(const Var& x);

}  // namespace weft
