#include "weft/tasks/moves.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "weft/nfn/forward.h"
#include "weft/ops/act.h"

namespace weft {

std::vector<Tensor> moved_networks(const Space& space, std::span<const Tensor> weights,
                                   std::span<const std::int64_t> numbers, int strength, std::uint64_t seed) {
  std::vector<Tensor> moved;
  for (const Tensor& w : weights) moved.push_back(w.clone());
  const double reach = std::pow(10., strength);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const RandomKey key =
        RandomKey(seed, "moved").at(static_cast<std::uint64_t>(numbers[i])).at(static_cast<std::uint64_t>(strength));
    const Element g = Element::random(space, key,
                                      {.scale_low = 1,
                                       .scale_high = reach,
                                       .condition = std::min(reach, 10.),
                                       .signs = strength > 0,
                                       .avoid_identity = false});
    const auto n = static_cast<std::int64_t>(i);
    for (std::size_t t = 0; t < moved.size(); ++t)
      moved[t].slice(n, n + 1).copy_from(act(g, static_cast<int>(t), weights[t].slice(n, n + 1)));
  }
  return moved;
}

std::vector<Tensor> moved_sines(const Space& space, std::span<const Tensor> weights,
                                std::span<const std::int64_t> numbers, const SineMoves& moves, RandomKey key) {
  std::vector<Tensor> moved;
  for (const Tensor& w : weights) moved.push_back(w.clone());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const SineElement g =
        SineElement::random(space, siren_omega, moves, key.at(static_cast<std::uint64_t>(numbers[i])));
    const auto n = static_cast<std::int64_t>(i);
    std::vector<Tensor> one;
    for (const Tensor& w : weights) one.push_back(w.slice(n, n + 1));
    const std::vector<Tensor> of_one = g(one);
    for (std::size_t t = 0; t < moved.size(); ++t) moved[t].slice(n, n + 1).copy_from(of_one[t]);
  }
  return moved;
}

std::vector<Move> moves_of(const Space& space, const std::string& architecture, int strongest) {
  std::vector<Move> moves;
  if (architecture == "siren") {
    for (const auto& [name, which] : sine_moves)
      moves.push_back(
          {name, [space, name = name, which = which](std::span<const Tensor> weights,
                                                     std::span<const std::int64_t> numbers, std::uint64_t seed) {
             return moved_sines(space, weights, numbers, which, RandomKey(seed, "moved").at(name));
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
