// Populations by definition: the hand-written kernels against it, residual CNNs against central differences and the
// group.

#include "weft/networks/population/definition.h"

#include <algorithm>
#include <cmath>

#include <doctest/doctest.h>

#include "weft/data/glyphs.h"
#include "weft/groups/element.h"
#include "weft/networks/architecture.h"
#include "weft/networks/cnn/definition.h"
#include "weft/networks/population/population_trainer.h"
#include "weft/ops/act.h"
#include "weft/tests/cnn_reference.h"
#include "weft/tests/transformer_reference.h"
#include "weft/tests/with_threads.h"

using namespace weft;
using namespace weft::testing;

namespace {

struct Step {
  double loss;
  std::vector<Tensor> gradient;
};

Step step_of(const PopulationModel& model, const std::vector<Tensor>& weights, const Dataset& data,
             const std::vector<std::int32_t>& items, const Dropout& dropout) {
  Arena arena;
  Step step{0, zeros_like(weights)};
  step.loss = model.loss_and_gradient(pointers<const float*>(weights), {data, items}, dropout,
                                      pointers<float*>(step.gradient), arena);
  return step;
}

Score score_of(const PopulationModel& model, const std::vector<Tensor>& weights, const Dataset& data,
               const std::vector<std::int32_t>& items) {
  Arena arena;
  return model.evaluate(pointers<const float*>(weights), {data, items}, arena);
}

double norm(const Tensor& t) {
  double square = 0;
  for (const float x : t.span<float>()) square += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(square);
}

/// Loss, gradient and score of a network, by kernels and by definition.
void check_same(const PopulationModel& by_hand, const PopulationModel& defined, const Dataset& data) {
  CAPTURE(by_hand.space().str());
  defined.check(data);
  const RandomKey key(1, "definition_test");
  const auto weights = random_network(by_hand.space(), key.at("weights"));
  const auto items = random_items(23, data.items(), key.at("items"));
  for (const double rate : {0., 0.35}) {
    const Dropout dropout{rate, key.at("dropout")};
    const Step fast = step_of(by_hand, weights, data, items, dropout),
               slow = step_of(defined, weights, data, items, dropout);
    CHECK(fast.loss == doctest::Approx(slow.loss).epsilon(1e-5));
    double largest = 0;
    for (const Tensor& g : slow.gradient) largest = std::max(largest, norm(g));
    // Behind blocks without a stream all tokens are nearly one, and what moves attention there is rounding.
    for (std::size_t t = 0; t < weights.size(); ++t) {
      CAPTURE(by_hand.space().tensors()[t].name);
      if (norm(slow.gradient[t]) > 1e-3 * largest)
        CHECK(relative_error(fast.gradient[t], slow.gradient[t]) < 1e-4);
      else
        CHECK(norm(fast.gradient[t]) < 2e-3 * largest);
    }
  }
  const Score fast = score_of(by_hand, weights, data, items), slow = score_of(defined, weights, data, items);
  CHECK(fast.loss == doctest::Approx(slow.loss).epsilon(1e-5));
  CHECK(fast.accuracy == slow.accuracy);
}

}  // namespace

TEST_CASE("definitions: the kernels of CNNs compute what their definition says, dropout included") {
  for (const CnnArchitecture& a : architectures)
    check_same(CnnPopulation(a), DefinedPopulation(cnn_definition(a)), noise_data(a, 40, RandomKey(1, "data")));
}

TEST_CASE("definitions: the kernels of transformers compute what their definition says, dropout and crops included") {
  for (const TransformerArchitecture& a : transformers) {
    if (a.pad_batch > 0) continue;  // tests/transformer_population_test.cpp
    check_same(TransformerPopulation(a), DefinedPopulation(transformer_definition(a)),
               noise_data(a, 40, RandomKey(8, "data")));
  }
}

TEST_CASE("resnet: gradients are those of central differences, with dropout") {
  const Dataset data = draw_glyphs(12, RandomKey(2, "definition_test"));
  const auto model = input_architecture("resnet").make(architecture_settings("resnet", {{"width", 3}}), data, 4);
  const RandomKey key(3, "definition_test");
  const auto weights = random_network(model->space(), key);
  const std::vector<std::int32_t> items{3, 0, 7, 5};
  const Dropout dropout{0.25, key.at("dropout")};
  const Step step = step_of(*model, weights, data, items, dropout);
  for (std::size_t t = 0; t < weights.size(); ++t) {
    // Along the gradient of one tensor: float32 has few digits for single numbers.
    const double square = norm(step.gradient[t]) * norm(step.gradient[t]);
    CAPTURE(model->space().tensors()[t].name);
    REQUIRE(square > 0);
    const auto h = static_cast<float>(1e-3 / std::sqrt(square));
    const auto along = [&](float by) {
      std::vector<Tensor> moved = weights;
      moved[t] = weights[t].clone();
      for (std::int64_t i = 0; i < moved[t].numel(); ++i)
        moved[t].data<float>()[i] += by * step.gradient[t].data<float>()[i];
      return step_of(*model, moved, data, items, dropout).loss;
    };
    CHECK((along(h) - along(-h)) / (2 * static_cast<double>(h)) == doctest::Approx(square).epsilon(0.03));
  }
}

TEST_CASE("resnet: one factor moves its stream, and the function stays") {
  const Dataset data = draw_glyphs(30, RandomKey(4, "definition_test"));
  const auto model = input_architecture("resnet").make(architecture_settings("resnet"), data, 4);
  const RandomKey key(5, "definition_test");
  const auto weights = random_network(model->space(), key);
  std::vector<std::int32_t> items(30);
  for (std::size_t i = 0; i < items.size(); ++i) items[i] = static_cast<std::int32_t>(i);
  const Element g = Element::random(model->space(), key, {.scale_low = 0.5, .scale_high = 2});
  const double before = score_of(*model, weights, data, items).loss;
  CHECK(score_of(*model, act(g, weights), data, items).loss == doctest::Approx(before).epsilon(1e-4));
  // Signs are no symmetry of ReLU.
  const Space signs = model->space().with_kind(FactorKind::positive_monomial, FactorKind::sign_monomial);
  const auto wrong = act(Element::random(signs, key), weights);
  CHECK(std::abs(score_of(*model, wrong, data, items).loss - before) > 1e-2 * before);
}

TEST_CASE("resnet: a population trains, on any number of threads with the same bits") {
  const Dataset data = draw_glyphs(200, RandomKey(6, "definition_test")),
                test = draw_glyphs(100, RandomKey(7, "definition_test"));
  const InputArchitecture& kind = input_architecture("resnet");
  const auto model = kind.make(architecture_settings("resnet", {{"width", 8}, {"blocks", 1}}), data, 20);
  std::vector<Tensor> first;
  for (const int n : {1, 3}) {
    const WithThreads with(n);
    PopulationTrainer trainer(*model, data,
                              {{.rule = UpdateRule::adam(), .learning_rate = 1e-2, .init_std = 0.15},
                               {.rule = UpdateRule::sgd(0.9), .learning_rate = 0.02, .init_std = 0.15, .dropout = 0.2}},
                              {.epochs = 15, .batch = 20});
    train_population(trainer, test, {});
    CHECK(trainer.evaluate(data)[0].accuracy > 0.5);
    CHECK(trainer.evaluate(data)[1].loss < 2.29);  // ln 10 is 2.303
    if (first.empty())
      for (const Tensor& t : trainer.weights()) first.push_back(t.clone());
    CHECK(relative_error(trainer.weights(), first) == 0);
  }
}
