#pragma once
// Fourier features behind phi by interpolation. What a plain piece makes of the features of a weight w,
//     y_e(w) = Σ_k phi_ek feature_k(w),
// is for every channel e one function of one number, with frequencies up to the highest of the layer. It is computed at
// evenly placed nodes, by one product, and between them by the polynomial through eight; the gradient of the values at
// the nodes, and from it phi's, by the adjoint. The price is that of as many weights as there are nodes, not of all
// weights of a batch. In float32 the result is as near to double as that of products with every weight's features,
// which stay the way for float64, for few weights and for wide ranges. Internal to nfn/linear.

#include "weft/nfn/linear/interpolation_kernels.h"
#include "weft/nfn/linear/schedule.h"

namespace weft::linear {

/// Where the entries of an arrangement are interpolated; no nodes: nowhere.
struct Nodes {
  Grid grid;
  std::int64_t count = 0;
  float* features = nullptr;  ///< block after block of nodes: [d, nodes of the block]

  std::int64_t row(std::int64_t e) const { return padded(e); }  ///< numbers of a node among values and gradients
  std::int64_t numbers(std::int64_t e) const { return count * row(e); }
};

/// For the current instruction set.
const InterpolationKernels& interpolation();

/// Chooses the nodes of a call with frequencies, and fills `call.nodes` and `call.values`.
void interpolate(PiecesCall<float>& call, Arena& arena);

/// gphi[e, k] = Σ_nodes gvalues[node, e] feature_k(node): of one phi, [e, d].
void gradient_of_phi(const Nodes& nodes, const float* gvalues, std::int64_t e, std::int64_t d, Grad<float> gphi);

}  // namespace weft::linear
