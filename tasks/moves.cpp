#include "weft/tasks/moves.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "weft/core/random.h"
#include "weft/groups/sine_group.h"
#include "weft/nfn/forward.h"
#include "weft/ops/act.h"

namespace weft {

std::vector<Tensor> each_moved(
    std::span<const Tensor> weights,
    const std::function<std::vector<Tensor>(std::int64_t i, std::span<const Tensor> network)>& move) {
  std::vector<Tensor> moved;
  for (const Tensor& w : weights) moved.push_back(w.clone());
  for (std::int64_t i = 0; i < weights[0].dim(0); ++i) {
    std::vector<Tensor> network;
    for (const Tensor& w : weights) network.push_back(w.slice(i, i + 1));
    const std::vector<Tensor> of_network = move(i, network);
    for (std::size_t t = 0; t < moved.size(); ++t) moved[t].slice(i, i + 1).copy_from(of_network[t]);
  }
  return moved;
}

Element random_element(const Space& space, std::int64_t number, int strength, std::uint64_t seed) {
  const double reach = std::pow(10., strength);
  const RandomKey key =
      RandomKey(seed, "moved").at(static_cast<std::uint64_t>(number)).at(static_cast<std::uint64_t>(strength));
  return Element::random(space, key,
                         {.scale_low = 1,
                          .scale_high = reach,
                          .condition = std::min(reach, 10.),
                          .signs = strength > 0,
                          .avoid_identity = false});
}

std::vector<Tensor> moved_networks(const Space& space, std::span<const Tensor> weights,
                                   std::span<const std::int64_t> numbers, int strength, std::uint64_t seed) {
  return each_moved(weights, [&](std::int64_t i, std::span<const Tensor> network) {
    return act(random_element(space, numbers[static_cast<std::size_t>(i)], strength, seed), network);
  });
}

std::vector<Move> moves_of(const Space& space, const std::string& architecture, int strongest) {
  std::vector<Move> moves;
  if (architecture == "siren") {
    for (const auto& [name, which] : sine_moves)
      moves.push_back(
          {name, [space, name = name, which = which](std::span<const Tensor> weights,
                                                     std::span<const std::int64_t> numbers, std::uint64_t seed) {
             return each_moved(weights, [&](std::int64_t i, std::span<const Tensor> network) {
               const auto number = static_cast<std::uint64_t>(numbers[static_cast<std::size_t>(i)]);
               const RandomKey key = RandomKey(seed, "moved").at(name).at(number);
               return SineElement::random(space, siren_omega, which, key)(network);
             });
           }});
    return moves;
  }
  for (int k = 0; k <= strongest; ++k)
    moves.push_back({fmt::format("k = {}", k),
                     [space, k](std::span<const Tensor> weights, std::span<const std::int64_t> numbers,
                                std::uint64_t seed) { return moved_networks(space, weights, numbers, k, seed); }});
  return moves;
}

}  // namespace weft
