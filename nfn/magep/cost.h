#pragma once
// What the schedules of E and I cost, counted from their products (spec 2.4).

#include "weft/nfn/magep/sizes.h"

namespace weft::magep {

/// Multiplications and additions of a forward pass for z.batch networks. A vjp takes about twice as many.
double equivariant_flops(const Sizes& z);
double invariant_flops(const Sizes& z);

}  // namespace weft::magep
