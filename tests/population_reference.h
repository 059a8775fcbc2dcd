#pragma once
// What tests of populations have in common: networks, items, comparisons.

#include <algorithm>
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/core/philox.h"
#include "weft/core/random.h"
#include "weft/groups/space.h"
#include "weft/networks/population/population_model.h"
#include "weft/tests/isa_levels.h"

namespace weft::testing {

/// One network: [1, taps, axes…] per tensor, with biases that are not zero.
inline std::vector<Tensor> random_network(const Space& space, RandomKey key) {
  std::vector<Tensor> weights;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    weights.push_back(Tensor::zeros(space.feature_shape(t, 1, 1), DType::f32));
    fill_normal(weights.back(), key.at(static_cast<std::uint64_t>(t)), 0, 0.2);
  }
  return weights;
}

template <class P>
std::vector<P> pointers(const std::vector<Tensor>& tensors) {
  std::vector<P> all;
  for (const Tensor& t : tensors) all.push_back(t.data<float>());
  return all;
}

inline std::vector<Tensor> zeros_like(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> all;
  for (const Tensor& t : tensors) all.push_back(Tensor::zeros(t.shape(), t.dtype()));
  return all;
}

inline std::vector<std::int32_t> random_items(std::int64_t count, std::int64_t among, RandomKey key) {
  std::vector<std::int32_t> items;
  for (std::int64_t i = 0; i < count; ++i)
    items.push_back(static_cast<std::int32_t>(uniform_index(key, static_cast<std::uint64_t>(i), among)));
  return items;
}

/// Byte `value` % 16 of Philox block `value` / 16 of a key.
inline std::uint32_t random_byte(RandomKey key, std::uint64_t value) {
  const auto word = [](std::uint64_t x, int half) { return static_cast<std::uint32_t>(x >> (32 * half)); };
  const PhiloxBlock block =
      philox({{word(value / 16, 0), word(value / 16, 1), word(key.purpose, 0), word(key.purpose, 1)}},
             {{word(key.seed, 0), word(key.seed, 1)}});
  return (block.x[value % 16 / 4] >> (value % 4 * 8)) & 255;
}

/// Calls f for every level of this CPU, then goes back to the one before.
template <class F>
void on_every_isa(const F& f) {
  for (const Isa level : isa_levels()) {
    const WithIsa forced(level);
    CAPTURE(name(level));
    f();
  }
}

/// Steps on 32 of the items, with dropout.
inline void check_memory_of_steps(const PopulationModel& model, const Dataset& data, double dropout, RandomKey key) {
  const std::vector<Tensor> weights = random_network(model.space(), key), gradient = zeros_like(weights);
  const std::vector<std::int32_t> items = random_items(32, data.items(), key);
  Arena arena;
  std::size_t reserved = 0;
  for (int step = 0; step < 4; ++step) {
    arena.reset();
    model.loss_and_gradient(pointers<const float*>(weights), {data, items}, {dropout, key}, pointers<float*>(gradient),
                            arena);
    CHECK(arena.used() == 0);
    if (step == 0) reserved = arena.reserved();
    CHECK(arena.reserved() == reserved);
  }
}

struct Reference {
  double loss, accuracy;
  std::vector<Tensor> gradient;  ///< float64
};

}  // namespace weft::testing
