#include "weft/networks/transformer/transformer_population.h"

#include "weft/groups/element.h"
#include "weft/ops/act.h"
#include "weft/tests/transformer_reference.h"

using namespace weft;
using namespace weft::testing;

namespace {

void check_gradient(const TransformerArchitecture& a, std::int64_t batch, double rate, RandomKey key) {
  const TransformerPopulation model(a);
  const Dataset data = noise_data(a, 40, key.at("data"));
  model.check(data);
  const std::vector<Tensor> weights = random_network(model.space(), key.at("weights")), gradient = zeros_like(weights);
  const std::vector<std::int32_t> items = random_items(batch, data.items(), key.at("items"));
  const Dropout dropout{rate, key.at("dropout")};
  const Reference expected = reference(a, weights, data, items, true, dropout);
  on_every_isa([&] {
    for (const Tensor& g : gradient) g.fill(std::nan(""));
    Arena arena;
    const double loss = model.loss_and_gradient(pointers<const float*>(weights), {data, items}, dropout,
                                                pointers<float*>(gradient), arena);
    CHECK(std::abs(loss - expected.loss) < 2e-5 * expected.loss);
    for (std::size_t t = 0; t < gradient.size(); ++t) {
      CAPTURE(model.space().tensors()[t].name);
      CHECK(relative_error(gradient[t], expected.gradient[t]) < 5e-4);
      CHECK(relative_error_of_blocks(gradient[t], expected.gradient[t], 2) < 1e-3);  // head by head, unit by unit
    }
  });
}

/// Loss of one network on some items, of the same tensors under any group.
double loss_of(const TransformerPopulation& model, const std::vector<Tensor>& weights, const Dataset& data) {
  Arena arena;
  const std::vector<std::int32_t> items = random_items(30, data.items(), RandomKey(6, "items"));
  return model.evaluate(pointers<const float*>(weights), {data, items}, arena).loss;
}

/// The largest relative change of the loss under random elements of the group of `space`.
double change(const TransformerPopulation& model, const Space& space, const std::vector<Tensor>& weights,
              const Dataset& data) {
  const double before = loss_of(model, weights, data);
  double largest = 0;
  for (std::uint64_t trial = 0; trial < 4; ++trial) {
    const Element g = Element::random(space, RandomKey(7, "element").at(trial));
    std::vector<Tensor> moved;
    for (std::size_t t = 0; t < weights.size(); ++t)
      moved.push_back(act(g, static_cast<int>(t), weights[t].to(DType::f64)).to(DType::f32));
    largest = worse(largest, std::abs(loss_of(model, moved, data) - before) / before);
  }
  return largest;
}

}  // namespace

TEST_CASE("transformers: the kernels compute what their definition says") {
  const RandomKey key(1, "transformer_population");
  std::uint64_t number = 0;
  for (const TransformerArchitecture& a : transformers)
    for (std::int64_t batch : {1, 9}) {
      CAPTURE(number);
      check_gradient(a, batch, 0, key.at(number++));
    }
}

TEST_CASE("transformers: dropout takes the values that its definition says") {
  const RandomKey key(2, "transformer_population");
  std::uint64_t number = 0;
  for (const TransformerArchitecture& a : transformers)
    for (double rate : {0.05, 0.5}) {
      CAPTURE(number);
      check_gradient(a, 7, rate, key.at(number++));
    }
}

TEST_CASE("transformers: evaluation agrees with the definition, crops nothing and drops nothing") {
  const RandomKey key(3, "transformer_population");
  for (std::size_t i = 0; i < transformers.size(); ++i) {
    CAPTURE(i);
    const TransformerArchitecture& a = transformers[i];
    const TransformerPopulation model(a);
    const Dataset data = noise_data(a, 60, key.at(i));
    const std::vector<Tensor> weights = random_network(model.space(), key.at(i).at("weights"));
    const std::vector<std::int32_t> items = random_items(20, data.items(), key.at(i).at("items"));
    double loss = 0, accuracy = 0;  // texts are padded in fives
    const std::size_t at_once = a.pad_batch > 0 ? static_cast<std::size_t>(a.pad_batch) : items.size();
    for (std::size_t begin = 0; begin < items.size(); begin += at_once) {
      const auto first = items.begin() + static_cast<std::ptrdiff_t>(begin);
      const std::vector<std::int32_t> some(first, first + static_cast<std::ptrdiff_t>(at_once));
      const Reference part = reference(a, weights, data, some, false, {});
      const double share = static_cast<double>(at_once) / static_cast<double>(items.size());
      loss += share * part.loss;
      accuracy += share * part.accuracy;
    }
    on_every_isa([&] {
      Arena arena;
      const Score got = model.evaluate(pointers<const float*>(weights), {data, items}, arena);
      CHECK(std::abs(got.loss - loss) < 2e-5 * loss);
      CHECK(got.accuracy == doctest::Approx(accuracy).epsilon(1e-12));
    });
  }
}

TEST_CASE("transformers: the group of the space leaves the function alone, a residual stream has less of it") {
  const RandomKey key(4, "transformer_population");
  TransformerArchitecture plain, residual;
  residual.residual = true;
  const TransformerPopulation without(plain), with(residual);
  const Dataset data = noise_data(plain, 40, key);
  const std::vector<Tensor> weights = random_network(without.space(), key.at("weights"));
  CHECK(change(without, without.space(), weights, data) < 1e-4);
  CHECK(change(with, with.space(), weights, data) < 1e-4);
  CHECK(change(with, without.space(), weights, data) > 1e-2);
}

TEST_CASE("transformers: a second step takes no more memory than the first") {
  const RandomKey key(5, "transformer_population");
  check_memory_of_steps(TransformerPopulation(TransformerArchitecture{}),
                        noise_data(TransformerArchitecture{}, 64, key), 0.2, key);
}

TEST_CASE("transformers: what is no such network is refused") {
  const TransformerArchitecture text{.classes = 4, .patch = 0, .length = 20};
  const TransformerPopulation images{TransformerArchitecture{}}, texts(text);
  Dataset pictures = noise_data(TransformerArchitecture{}, 8, RandomKey(6, "data")),
          words = noise_data(text, 8, RandomKey(6, "data"));
  CHECK_THROWS_WITH_AS(images.check(words), "[transformer_population] 'noise' has texts; these networks read images",
                       UsageError);
  CHECK_THROWS_WITH_AS(texts.check(pictures), "[transformer_population] 'noise' has images; these networks read texts",
                       UsageError);
  words.tokens.data<std::int32_t>()[7] = 30;
  CHECK_THROWS_WITH_AS(texts.check(words), "[transformer_population] token 30 in 'noise'; allowed: -2 to 29",
                       UsageError);
  words.tokens = words.tokens.reshape({16, 10});
  CHECK_THROWS_WITH_AS(texts.check(words),
                       "[transformer_population] tokens [16, 10], word vectors [30, 32] in 'noise'; allowed: [8, 20], "
                       "[words, 32]",
                       ShapeError);
  pictures.images = pictures.images.reshape({8, 1, 14, 56});
  CHECK_THROWS_WITH_AS(images.check(pictures),
                       "[transformer_population] images [8, 1, 14, 56] in 'noise'; allowed: [8, 1, 28, 28]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(TransformerPopulation(TransformerArchitecture{.patch = 5}),
                       "[transformer_population] patches of 5x5 on images of 28x28; the side must divide both",
                       UsageError);
}
