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

/// An element, of every hidden layer.
class SineElement {
 public:
  /// Of networks of mlp_space() with sign_monomial or permutation neurons. Shifts m are uniform in -3 … 3. Throws
  /// UsageError for another space.
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
  std::vector<Layer> layers_;
};

}  // namespace weft
