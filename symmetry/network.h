#pragma once
// Do two networks of one space compute the same function? By an element of the group between them, or an input on which
// they differ.

#include <optional>
#include <span>

#include "weft/core/tensor.h"
#include "weft/groups/element.h"
#include "weft/symmetry/decision.h"

namespace weft {

/// An input and what two networks make of it, in float64; shapes as the forward passes of nfn/forward.h have
/// them, for one network.
struct NetworkWitness {
  Tensor x, y_a, y_b;
  double difference = 0;  ///< ||y_a - y_b|| over the larger of ||y_a|| and ||y_b||
};

struct NetworkElement {
  Element element;
  /// The largest distance of a unit, or head, of g a from the one of b, on balanced representatives: the norm of the
  /// difference over the larger norm.
  double residual = 0;
  /// By tensor: ||g a - b|| / ||b||.
  std::vector<double> of_tensors = {};
};

struct NetworkEquivalence {
  Decision decision = Decision::undecided;
  std::optional<NetworkElement> element;  ///< of `same`
  std::optional<NetworkElement> nearest;  ///< of the others: what carries a as near to b as was found
  std::optional<NetworkWitness> witness;  ///< of `different`, where inputs are tried
};

/// Features of one network of `space`, [1, taps, axes…], float32 or float64.
///   same        an element of the group carries a to b, each unit and head to within `tolerance` of its size, and no
///               input that is tried moves the output by more than that of its size. Dead units (all outgoing
///               weights zero; of monomial groups also all incoming) are set to zero first; if a and b differ in them
///               only, no element is given.
///   different   no such element was found, and an input moves the output by more than 3 times that. Where no input is
///               tried: the nearest element leaves more than 3 times the tolerance.
///   undecided   neither: other symmetries than the space's group (units that are copies of each other, say), an
///               element that matching did not find, or a difference too small to be seen.
/// The inputs are the same for all networks of a space, so that no third network is `same` as two that are `different`
/// (docs/equivalence.md). A tolerance below 1e-9 is 1e-9 for outputs. Sizes of outputs are those of all 8 items, or all
/// tokens, of one draw.
/// Spaces that are products, adapters say, are compared as compare_products() does (symmetry/products.h).
/// Inputs are drawn for the spaces of mlp_space, cnn_space (stride 1, no padding, mean over the image),
/// transformer_space and transformer_network_space (spec 6.1); activations are ReLU for positive, tanh for sign, GELU
/// for permutation factors. Networks of all other spaces, those of files say, are not run: what is said of them is said
/// of the group. Blocks with a residual stream alone read and write a stream that the group permutes: `same` then means
/// up to the order of its coordinates. Throws ShapeError, UsageError for a tolerance out of (0, 1), NumericError for
/// weights that are not finite.
NetworkEquivalence compare_networks(const Space& space, std::span<const Tensor> a, std::span<const Tensor> b,
                                    double tolerance = 1e-8);

/// The element that carries a to b, as good as matching finds it, of any space. Step by step, what is known of all
/// other axes of a tensor tells the last one: orders by the assignment problem, on what unknown scales leave alone;
/// heads by products over what moves inside them; scales and signs in closed form; GL by least squares, orthogonal
/// matrices by Procrustes, rotary ones by complex least squares. Then each factor again, against all others. What
/// nothing tells of stays as it is. Networks with rounding only between them are found, others get what is near.
/// float32 stays float32: one tensor at a time is float64.
NetworkElement match_networks(const Space& space, std::span<const Tensor> a, std::span<const Tensor> b);

/// Runs one network, with plain types: x as NetworkWitness has it. Throws UsageError for a space that is none of those
/// named above.
Tensor evaluate_network(const Space& space, std::span<const Tensor> weights, const Tensor& x);

/// Random inputs for evaluate_network(), of N(0, scale²); none for other spaces, and none where the group moves inputs.
std::optional<Tensor> random_input(const Space& space, RandomKey key, double scale);

}  // namespace weft
