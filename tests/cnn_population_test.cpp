#include "weft/networks/cnn/cnn_population.h"

#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/tests/cnn_reference.h"

using namespace weft;
using namespace weft::testing;

namespace {

void check_gradient(const CnnArchitecture& a, std::int64_t batch, double rate, RandomKey key) {
  const CnnPopulation model(a);
  const Dataset data = noise_data(a, 40, key.at("data"));
  const std::vector<Tensor> weights = random_network(model.space(), key.at("weights")), gradient = zeros_like(weights);
  const std::vector<std::int32_t> items = random_items(batch, data.items(), key.at("items"));
  const Dropout dropout{rate, key.at("dropout")};
  const Reference expected = reference(a, weights, data, items, dropout);
  on_every_isa([&] {
    for (const Tensor& g : gradient) g.fill(std::nan(""));
    Arena arena;
    const double loss = model.loss_and_gradient(pointers<const float*>(weights), {data, items}, dropout,
                                                pointers<float*>(gradient), arena);
    CHECK(std::abs(loss - expected.loss) < 2e-5 * expected.loss);
    for (std::size_t t = 0; t < gradient.size(); ++t) {
      CAPTURE(t);
      CHECK(relative_error_of_blocks(gradient[t], expected.gradient[t], 2) < 2e-4);
    }
  });
}

}  // namespace

TEST_CASE("loss and gradient of one network agree with the tape") {
  const RandomKey key(1, "cnn_population");
  std::uint64_t number = 0;
  for (const CnnArchitecture& a : architectures)
    for (std::int64_t batch : {1, 7, 45}) {
      CAPTURE(number);
      check_gradient(a, batch, 0, key.at(number++));
    }
}

TEST_CASE("dropout takes the values that its definition says") {
  const RandomKey key(2, "cnn_population");
  std::uint64_t number = 0;
  for (const CnnArchitecture& a : architectures)
    for (double rate : {0.001, 0.2, 0.5}) {
      CAPTURE(number);
      check_gradient(a, 25, rate, key.at(number++));
    }
}

TEST_CASE("evaluation agrees with the tape") {
  const RandomKey key(3, "cnn_population");
  for (std::size_t i = 0; i < architectures.size(); ++i) {
    CAPTURE(i);
    const CnnPopulation model(architectures[i]);
    const Dataset data = noise_data(architectures[i], 90, key.at(i));
    const std::vector<Tensor> weights = random_network(model.space(), key.at(i).at("weights"));
    const std::vector<std::int32_t> items = random_items(70, data.items(), key.at(i).at("items"));
    const Reference expected = reference(architectures[i], weights, data, items, {});
    on_every_isa([&] {
      Arena arena;
      const Score got = model.evaluate(pointers<const float*>(weights), {data, items}, arena);
      CHECK(std::abs(got.loss - expected.loss) < 2e-5 * expected.loss);
      CHECK(got.accuracy == doctest::Approx(expected.accuracy).epsilon(1e-12));
    });
  }
}

TEST_CASE("a second step takes no more memory than the first") {
  const RandomKey key(4, "cnn_population");
  check_memory_of_steps(CnnPopulation(CnnArchitecture{}), noise_data({}, 64, key), 0.5, key);
}

TEST_CASE("what is no such network is refused") {
  const CnnPopulation model{CnnArchitecture{}};
  const RandomKey key(5, "cnn_population");
  Dataset data = noise_data(architectures[2], 8, key);
  CHECK_THROWS_WITH_AS(model.check(data), "[cnn_population] images [8, 3, 12, 13] in 'noise'; allowed: [8, 1, 28, 28]",
                       ShapeError);
  data = noise_data({}, 8, key);
  data.labels.data<std::int32_t>()[3] = 10;
  CHECK_THROWS_WITH_AS(model.check(data), "[cnn_population] label 10 in 'noise'; allowed: 0 to 9", UsageError);
  data.classes = 11;
  CHECK_THROWS_WITH_AS(model.check(data), "[cnn_population] 11 classes in 'noise'; these networks have 10 outputs",
                       UsageError);
  data.images = data.images.reshape({8, 28, 28});
  CHECK_THROWS_WITH_AS(model.check(data), "[cnn_population] images [8, 28, 28] in 'noise'; allowed: [8, 1, 28, 28]",
                       ShapeError);
  data.labels = data.labels.reshape({8, 1});
  CHECK_THROWS_WITH_AS(model.check(data), "[cnn_population] labels [8, 1] in 'noise'; allowed: [items]", ShapeError);
  CHECK_THROWS_WITH_AS(CnnPopulation(CnnArchitecture{.activation = UnaryOp::Gelu}),
                       "[cnn_population] activation gelu; allowed: relu, tanh", UsageError);
  CHECK_THROWS_WITH_AS(CnnPopulation(CnnArchitecture{.image_rows = 6, .image_columns = 6}),
                       "[cnn_population] a kernel of 3x3 on 2x2 positions in layer 2", UsageError);
}
