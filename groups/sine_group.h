#pragma once
// The full group of a sine network's hidden neurons (spec 9.1): they trade places, are flipped, (w, b, out) ->
// (-w, -b, -out), and shifted, (w, b, out) -> (w, b + m π/ω, (-1)^m out). Permutations and flips are a factor of the
// space, sign_monomial; shifts move biases by constants, which no factor does, so they are here.

#include <span>
#include <utility>
#include <vector>

#include "weft/core/random.h"
#include "weft/groups/space.h"

namespace weft {

/// What a random element does; parts that are left out stay the identity.
struct SineMoves {
  bool permute = false, flip = false, shift = false;
  /// Steps of a shift, of π/ω: 1, or less for what is no symmetry, a negative control.
  double shift_by = 1;
  /// Flips move biases and outgoing weights along; without, it is a negative control.
  bool whole_flips = true;
};

/// The parts of the group, each alone, and all of it.
inline constexpr std::pair<const char*, SineMoves> sine_moves[] = {
    {"permutations", {.permute = true}},
    {"flips", {.flip = true}},
    {"shifts", {.shift = true}},
    {"all three", {.permute = true, .flip = true, .shift = true}}};

/// What becomes of the neurons of one hidden layer: in place i comes neuron order[i], flipped where flip[i] is -1, its
/// bias shifted by shift[i] π/ω.
struct SinePart {
  std::vector<std::int32_t> order;  ///< a permutation of 0 … width - 1
  std::vector<std::int32_t> flip;   ///< 1 or -1
  std::vector<std::int32_t> shift;  ///< any whole m
};

/// An element, of every hidden layer.
class SineElement {
 public:
  /// Given parts, one for each hidden layer of networks of mlp_space() with sign_monomial or permutation neurons.
  /// Throws UsageError for another space, an omega that is 0 or not finite, an order that is no permutation, a flip
  /// that is neither 1 nor -1; ShapeError for parts of other layers.
  SineElement(const Space& space, double omega, std::span<const SinePart> parts);
  /// Of the same networks. Shifts m are uniform in -3 … 3. Throws UsageError for another space or omega.
  static SineElement random(const Space& space, double omega, const SineMoves& moves, RandomKey key);

  /// The same networks moved, of the same dtype, computed in float64.
  /// weights: one feature per tensor of the space, [n, 1, axes…]
  std::vector<Tensor> operator()(std::span<const Tensor> weights) const;

 private:
  /// Neuron i of a moved layer is neuron order[i], multiplied by `incoming`, its bias by `bias`, then shifted, its
  /// outgoing weights by `outgoing`.
  struct Layer {
    std::vector<std::int32_t> order;
    std::vector<double> incoming, bias, shift, outgoing;
  };
  SineElement(std::span<const SinePart> parts, double omega, double shift_by, bool whole_flips);

  std::vector<Layer> layers_;
};

}  // namespace weft
