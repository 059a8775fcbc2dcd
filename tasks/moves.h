#pragma once
// How networks are moved by elements that keep their functions, to see whether a model notices.

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "weft/core/tensor.h"
#include "weft/groups/element.h"

namespace weft {

/// Network i of n as move(i, it) gives it. weights: one feature per tensor of a space, [n, taps, axes…]; move() takes
/// and returns [1, taps, axes…].
std::vector<Tensor> each_moved(
    std::span<const Tensor> weights,
    const std::function<std::vector<Tensor>(std::int64_t i, std::span<const Tensor> network)>& move);

/// The element that moves network `number`, keyed by (seed, number, strength): uniform permutations; scales of U[1,
/// 10^strength], with random signs when the strength is at least 1, GL elements orthogonal, and of condition number 10
/// when the strength is at least 1 (worse conditioned ones cost the moved network's function digits of float32).
Element random_element(const Space& space, std::int64_t number, int strength, std::uint64_t seed);

/// The networks moved by such elements, one per network. Acts in float64; the dtype stays.
/// weights: one feature per tensor of the space, [n, taps, axes…]; numbers: of the n networks (ZooRow::network)
std::vector<Tensor> moved_networks(const Space& space, std::span<const Tensor> weights,
                                   std::span<const std::int64_t> numbers, int strength, std::uint64_t seed);

/// One way of moving networks.
struct Move {
  std::string name;  ///< "k = 2", in tables
  /// Weights, numbers and seed as moved_networks() takes them.
  std::function<std::vector<Tensor>(std::span<const Tensor> weights, std::span<const std::int64_t> numbers,
                                    std::uint64_t seed)>
      apply;
};
/// Those that networks of an architecture (ZooDescription::architecture) are judged under: elements of the space's
/// group, of strength k = 0 … strongest; of implicit networks the parts of the group of sine networks (spec 9.1), each
/// alone and all together.
std::vector<Move> moves_of(const Space& space, const std::string& architecture, int strongest);

}  // namespace weft
