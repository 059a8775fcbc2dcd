#pragma once
// Norms over the channels, which are the slowest axis, and what is multiplied by such.

#include "weft/autograd/tape.h"

namespace weft::graph {

/// y = the root mean square of x over the channels     x: [d, ...]  y: [...]
/// vjp   gx = gy x / (d y), 0 where y is 0     saves x, y
/// type  as abs
Var channel_norm(const Var& x);

/// y = s x, one number for all channels     s: [...]  x, y: [d, ...]
/// vjp   gx = s gy, gs = Σ_d gy x     saves s, x
/// type  as a product: degrees add
/// Throws ShapeError, DtypeError, TypeError by these rules.
Var scale_channels(const Var& s, const Var& x);

/// y = 1 / x, 0 where x is below 1e-18     x: [...], not negative
/// vjp   gx = -gy y²     saves y
/// type  degrees are negated; refused on axes that are mixed
Var reciprocal(const Var& x);

}  // namespace weft::graph
