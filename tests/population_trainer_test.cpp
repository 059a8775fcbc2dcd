#include "weft/networks/population/population_trainer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/tests/cnn_reference.h"
#include "weft/tests/with_threads.h"

using namespace weft;
using namespace weft::testing;

namespace {

/// A small population whose networks differ in everything.
const CnnArchitecture small{.image_rows = 12, .image_columns = 12, .widths = {1, 16, 16, 10}, .kernels = {3, 3}};

std::vector<TrainingRecipe> mixed_recipes() {
  return {{.rule = UpdateRule::sgd(0.1, 1e-3), .learning_rate = 0.1, .init_std = 0.2, .dropout = 0.3, .share = 0.5},
          {.rule = UpdateRule::adam(1e-4), .learning_rate = 3e-3, .init_std = 0.1, .dropout = 0, .share = 1},
          {.rule = UpdateRule::rmsprop(), .learning_rate = 1e-3, .init_std = 0.3, .dropout = 0.5, .share = 0.1},
          {.rule = UpdateRule::adamw(1e-2), .learning_rate = 1e-3, .init_std = 0.1, .dropout = 0.1, .share = 0.25},
          {.rule = UpdateRule::sgd(), .learning_rate = 0.05, .init_std = 0.1, .dropout = 0, .share = 1}};
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

bool same_state(const PopulationTrainer& a, const PopulationTrainer& b) {
  const auto x = a.state(), y = b.state();
  if (x.size() != y.size()) return false;
  for (std::size_t i = 0; i < x.size(); ++i)
    if (x[i].name != y[i].name || !same_bytes(x[i].tensor, y[i].tensor)) return false;
  return true;
}

}  // namespace
TEST_CASE("one step follows the recipe: rule, L2 on weights only, share") {
  const RandomKey key(5, "cnn_population");
  const CnnPopulation model(small);
  const Dataset data = noise_data(small, 20, key);
  const double rate = 0.1, decay = 0.3;
  PopulationTrainer trainer(model, data, {{.rule = UpdateRule::sgd(0, decay), .learning_rate = rate, .share = 0.5}},
                            {.epochs = 1, .batch = 20, .seed = 7});
  const RandomKey of_network = RandomKey(7, "share").at(std::uint64_t{0});
  std::vector<std::int32_t> share = permutation(20, of_network);
  share.resize(10);
  std::vector<Tensor> before;
  for (const Tensor& w : trainer.weights()) before.push_back(w.clone());
  const Reference expected = reference(small, before, data, share, {});
  trainer.train_epoch();
  for (std::size_t t = 0; t < before.size(); ++t)
    for (std::int64_t i = 0; i < before[t].numel(); ++i) {
      const double w = static_cast<double>(before[t].data<float>()[i]);
      const double wanted = w - rate * (expected.gradient[t].data<double>()[i] + (t % 2 == 0 ? decay * w : 0));
      CHECK(std::abs(static_cast<double>(trainer.weights()[t].data<float>()[i]) - wanted) < 1e-6);
    }
}

TEST_CASE("a population learns, with the same bits on any number of threads") {
  const RandomKey key(6, "cnn_population");
  const CnnPopulation model(small);
  Dataset data = noise_data(small, 150, key);
  for (std::int64_t i = 0; i < 150; ++i)  // the label is the row with the bright stripe
    for (std::int64_t c = 0; c < 12; ++c)
      data.images.data<float>()[(i * 12 + data.labels.data<std::int32_t>()[i]) * 12 + c] += 4;
  const TrainingPlan plan{.epochs = 6, .batch = 16, .seed = 3};
  const WithThreads with(1);
  PopulationTrainer alone(model, data, mixed_recipes(), plan);
  const double loss = alone.evaluate(data)[1].loss;
  std::vector<int> percents;
  std::int64_t last = 0;
  train_population(alone, data,
                   {.progress = [&](std::int64_t done, std::int64_t total) { CHECK((last = done) <= total); },
                    .checkpoint =
                        [&](const PopulationCheckpoint& c) {
                          percents.push_back(c.percent);
                          CHECK(c.train.size() == 5);
                          // All items, though in another order of sums.
                          CHECK(c.test[1].loss == doctest::Approx(c.train[1].loss).epsilon(1e-9));
                        },
                    .epoch = {}});
  CHECK(last == 30);
  CHECK(percents == std::vector<int>{25, 50, 100});
  CHECK(alone.evaluate(data)[1].loss < 0.8 * loss);
  for (int n : {2, 4}) {
    const WithThreads with(n);
    PopulationTrainer trainer(model, data, mixed_recipes(), plan);
    train_population(trainer, data, {});
    CHECK(same_state(trainer, alone));
  }
}

TEST_CASE("training resumes from its state with the same bits") {
  const RandomKey key(7, "cnn_population");
  const CnnPopulation model(small);
  const Dataset data = noise_data(small, 100, key);
  const TrainingPlan plan{.epochs = 4, .batch = 16, .seed = 3, .first_network = 40};
  PopulationTrainer through(model, data, mixed_recipes(), plan);
  std::vector<std::byte> saved;
  train_population(through, data, {.progress = {}, .checkpoint = {}, .epoch = [&] {
                                     if (through.epochs_done() == 2) saved = safetensors_bytes(through.state());
                                   }});
  PopulationTrainer resumed(model, data, mixed_recipes(), plan);
  resumed.resume(SafeTensors::parse(saved, "state"));
  CHECK(resumed.epochs_done() == 2);
  CHECK_FALSE(same_state(resumed, through));
  train_population(resumed, data, {});
  CHECK(same_state(resumed, through));
  CHECK_THROWS_WITH_AS(resumed.train_epoch(), "[population] all 4 epochs are done", UsageError);
  PopulationTrainer fewer(model, data, {mixed_recipes()[0]}, plan);
  CHECK_THROWS_AS(fewer.resume(SafeTensors::parse(saved, "state")), ShapeError);
}

TEST_CASE("after an epoch that ended in an exception training goes on from a saved state only") {
  const CnnPopulation model(small);
  const Dataset data = noise_data(small, 40, RandomKey(7, "cnn_population"));
  const TrainingPlan plan{.epochs = 2, .batch = 16, .seed = 3};
  PopulationTrainer through(model, data, mixed_recipes(), plan), halted(model, data, mixed_recipes(), plan);
  const std::vector<std::byte> saved = safetensors_bytes(halted.state());
  CHECK_THROWS_WITH(halted.train_epoch([](std::int64_t) { throw std::runtime_error("stop"); }), "stop");
  CHECK_THROWS_WITH_AS(halted.train_epoch(),
                       "[population] epoch 1 ended in an exception; go on from a saved state, resume()", UsageError);
  halted.resume(SafeTensors::parse(saved, "state"));
  for (PopulationTrainer* trainer : {&through, &halted}) train_population(*trainer, data, {});
  CHECK(same_state(through, halted));
}

TEST_CASE("a network draws from its number in the zoo") {
  const RandomKey key(8, "cnn_population");
  const CnnPopulation model(small);
  const Dataset data = noise_data(small, 60, key);
  const std::vector<TrainingRecipe> recipes = mixed_recipes();
  PopulationTrainer all(model, data, recipes, {.epochs = 2, .batch = 16});
  PopulationTrainer last(model, data, {recipes[3], recipes[4]}, {.epochs = 2, .batch = 16, .first_network = 3});
  train_population(all, data, {});
  train_population(last, data, {});
  for (std::size_t t = 0; t < all.weights().size(); ++t)
    CHECK(same_bytes(all.weights()[t].slice(3, 5), last.weights()[t]));
}

TEST_CASE("a network that diverges keeps its last finite weights and disturbs nobody") {
  const RandomKey key(9, "cnn_population");
  const CnnPopulation model(small);
  const Dataset data = noise_data(small, 60, key);
  const TrainingPlan plan{.epochs = 3, .batch = 16};
  const TrainingRecipe good{.rule = UpdateRule::adam(), .learning_rate = 1e-3};
  const TrainingRecipe too_fast{.rule = UpdateRule::sgd(), .learning_rate = 1e12};
  const TrainingRecipe too_large{.rule = UpdateRule::sgd(), .learning_rate = 1e-3, .init_std = 1e9};
  PopulationTrainer trainer(model, data, {good, too_fast, too_large}, plan),
      calm(model, data, {good, good, good}, plan);
  PopulationTrainer fresh(model, data, {good, too_fast, too_large}, plan);
  trainer.train_epoch();
  std::vector<Tensor> frozen;
  for (const Tensor& w : trainer.weights()) frozen.push_back(w[1].clone());
  CHECK(trainer.diverged_at(0) == 0);
  CHECK(trainer.diverged_at(1) > 1);
  CHECK(trainer.diverged_at(2) == 1);
  train_population(trainer, data, {});
  train_population(calm, data, {});
  for (std::size_t t = 0; t < frozen.size(); ++t) {
    CHECK(same_bytes(trainer.weights()[t][0], calm.weights()[t][0]));
    CHECK(same_bytes(trainer.weights()[t][1], frozen[t]));
    CHECK(same_bytes(trainer.weights()[t][2], fresh.weights()[t][2]));
    for (float w : frozen[t].span<float>()) CHECK(std::isfinite(w));
  }
}

TEST_CASE("recipes lie in their ranges and depend on the network's number alone") {
  const RecipeRanges ranges;
  const RandomKey key(10, "recipes");
  const auto all = draw_training_recipes(ranges, 0, 200, key), some = draw_training_recipes(ranges, 120, 3, key);
  double smallest = 1, largest = 0;
  for (const TrainingRecipe& r : all) {
    const RecipeRanges::Range rate = r.rule.kind == UpdateRule::Kind::momentum ? ranges.sgd_rate : ranges.adaptive_rate;
    CHECK((r.learning_rate >= rate.low && r.learning_rate <= rate.high));
    CHECK((r.init_std >= ranges.init_std.low && r.init_std <= ranges.init_std.high));
    CHECK(std::count(ranges.shares.begin(), ranges.shares.end(), r.share) == 1);
    smallest = std::min(smallest, r.init_std / ranges.init_std.high);
    largest = std::max(largest, r.init_std / ranges.init_std.high);
  }
  CHECK(smallest < 2 * ranges.init_std.low / ranges.init_std.high);
  CHECK(largest > 0.5);
  for (std::size_t i = 0; i < some.size(); ++i) {
    CHECK(some[i].learning_rate == all[120 + i].learning_rate);
    CHECK(some[i].rule.weight_decay == all[120 + i].rule.weight_decay);
  }
}

TEST_CASE("a recipe or a plan out of range is refused") {
  const CnnPopulation model(small);
  const Dataset data = noise_data(small, 8, RandomKey(11, "cnn_population"));
  CHECK_THROWS_WITH_AS(PopulationTrainer(model, data, {{.rule = {}, .share = 0}}, {}),
                       "[population] share 0; allowed: above 0, at most 1", UsageError);
  CHECK_THROWS_WITH_AS(PopulationTrainer(model, data, {{.rule = {}, .dropout = 1}}, {}),
                       "[population] dropout 1; allowed: 0 or more, below 0.99", UsageError);
  CHECK_THROWS_WITH_AS(PopulationTrainer(model, data, mixed_recipes(), {.epochs = 0}),
                       "[population] 0 epochs, batch 32, first network 0; allowed: 1, 1, 0 or more", UsageError);
  // Sizes whose products leave their types: in a step's number, or on the way to it.
  CHECK_THROWS_WITH_AS(PopulationTrainer(model, data, mixed_recipes(), {.batch = INT64_MAX}),
                       "[population] 8 items, batch 9223372036854775807; allowed: at most 2147483647, for items have "
                       "32-bit numbers",
                       UsageError);
  CHECK_THROWS_WITH_AS(PopulationTrainer(model, data, mixed_recipes(), {.epochs = INT64_MAX / 2, .batch = 1}),
                       "[population] 4611686018427387903 epochs of 8 steps; allowed: at most 2147483647 steps in all, "
                       "for they have 32-bit numbers",
                       UsageError);
  CHECK_NOTHROW(PopulationTrainer(model, data, mixed_recipes(), {.epochs = INT32_MAX / 8, .batch = 1}));
}
