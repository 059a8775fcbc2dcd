// Training of transformers by their recipes, and their zoos on disk.

#include <cstring>
#include <map>

#include "weft/networks/population/population_trainer.h"
#include "weft/nn/learning_rate.h"
#include "weft/tests/files.h"
#include "weft/tests/transformer_reference.h"
#include "weft/tests/with_threads.h"
#include "weft/zoo/make_zoo.h"

using namespace weft;
using namespace weft::testing;

namespace {

const TransformerArchitecture small{.shape = {.D = 16, .D_A = 16, .h = 2, .Dk = 8, .Dv = 8, .blocks = 2},
                                    .hidden = 16,
                                    .classes = 3,
                                    .patch = 4,
                                    .image_rows = 12,
                                    .image_columns = 12,
                                    .crop = 1};

/// Images whose label is the row of patches that is bright.
Dataset bright_rows(std::int64_t items, RandomKey key) {
  Dataset data = noise_data(small, items, key);
  for (std::int64_t i = 0; i < items; ++i)
    for (std::int64_t at = 0; at < 144; ++at) {
      float& pixel = data.images.data<float>()[i * 144 + at];
      pixel = 0.3f * pixel + (at / 48 == data.labels.data<std::int32_t>()[i] ? 0.7f : -0.7f);
    }
  return data;
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

const TrainingPlan plan_of_small{.epochs = 4,
                                 .batch = 16,
                                 .seed = 5,
                                 .first_network = 2,
                                 .rates = TrainingPlan::Rates::warmup_cosine,
                                 .percents = {50, 75, 100}};

/// Of the grid, and one that learns fast.
std::vector<TrainingRecipe> some_recipes() {
  auto recipes = draw_training_recipes(RecipeGrid{}, 2, 4, RandomKey(5, "recipes"));
  recipes.push_back({.rule = UpdateRule::adam(), .learning_rate = 1e-2, .init_std = 0.3});
  return recipes;
}

}  // namespace

TEST_CASE("the grid of spec 6.2: every recipe lies on it, and every value occurs") {
  const RecipeGrid grid;
  const auto all = draw_training_recipes(grid, 0, 2000, RandomKey(1, "grid")),
             some = draw_training_recipes(grid, 700, 2, RandomKey(1, "grid"));
  CHECK(some[1].learning_rate == all[701].learning_rate);
  std::map<std::pair<std::size_t, double>, int> rates, deviations;
  std::map<double, int> shares, dropouts, decays;
  for (const TrainingRecipe& r : all) {
    const std::size_t list = r.rule.kind == UpdateRule::Kind::adam || r.rule.kind == UpdateRule::Kind::rmsprop;
    ++rates[{list, r.learning_rate}];
    ++deviations[{list, r.init_std}];
    ++shares[r.share];
    ++dropouts[r.dropout];
    ++decays[r.rule.weight_decay];
    CHECK(std::count(grid.rates[list].begin(), grid.rates[list].end(), r.learning_rate) == 1);
    CHECK(std::count(grid.init_stds[list].begin(), grid.init_stds[list].end(), r.init_std) == 1);
    CHECK(r.rule.momentum == (r.rule.kind == UpdateRule::Kind::momentum ? 0.9 : 0));
    CHECK(r.init_cut == 2);
  }
  CHECK(rates.size() == 16);
  CHECK(deviations.size() == 10);
  CHECK(shares.size() == 4);
  CHECK(dropouts.size() == 5);
  CHECK(decays.size() == 5);
}

TEST_CASE("start weights are normal, cut in absolute value, and biases start at 0") {
  const TransformerPopulation model{TransformerArchitecture{}};
  const Dataset data = noise_data(TransformerArchitecture{}, 10, RandomKey(2, "data"));
  const TrainingRecipe wide{.rule = {}, .init_std = 0.5, .init_cut = 1};
  const PopulationTrainer trainer(model, data, {wide, wide}, {.epochs = 1, .batch = 10});
  double square = 0;
  std::int64_t count = 0, beyond_half = 0;
  for (std::size_t t = 0; t < trainer.weights().size(); ++t) {
    const bool bias = model.space().tensors()[t].axes.size() == 1;
    for (float w : trainer.weights()[t].span<float>()) {
      CHECK((bias ? w == 0 : std::abs(w) <= 1));
      square += bias ? 0 : static_cast<double>(w) * static_cast<double>(w);
      count += !bias;
      beyond_half += std::abs(w) > 0.5f;
    }
  }
  // A normal cut at two deviations: variance 0.7737 of it, 28.5 % beyond one.
  CHECK(square / static_cast<double>(count) == doctest::Approx(0.25 * 0.7737).epsilon(0.03));
  CHECK(static_cast<double>(beyond_half) / static_cast<double>(count) == doctest::Approx(0.2847).epsilon(0.03));
}

TEST_CASE("the learning rate warms up over a tenth of the steps and falls along a cosine") {
  const TransformerPopulation model(small);
  const Dataset data = bright_rows(20, RandomKey(3, "data"));
  const TrainingRecipe recipe{.rule = UpdateRule::sgd(), .learning_rate = 0.5};
  const TrainingPlan plan{.epochs = 20, .batch = 20, .rates = TrainingPlan::Rates::warmup_cosine};
  PopulationTrainer trainer(model, data, {recipe}, plan);
  const WarmupCosine schedule{0.5, 1e-5, 2, 20};
  for (std::int64_t step = 0; step < 20; ++step) {
    // One step of a constant rate from the same weights moves by as much as the schedule says.
    PopulationTrainer constant(model, data, {{.rule = UpdateRule::sgd(), .learning_rate = schedule(step)}},
                               {.epochs = 20, .batch = 20});
    constant.resume(SafeTensors::parse(safetensors_bytes(trainer.state()), "state"));
    trainer.train_epoch();
    constant.train_epoch();
    CHECK(same_state(trainer, constant));
  }
}

TEST_CASE("transformers learn, keep their best epoch, and end with the same bits on any number of threads") {
  const TransformerPopulation model(small);
  const Dataset data = bright_rows(150, RandomKey(4, "data")), held_out = bright_rows(60, RandomKey(4, "held out"));
  const WithThreads with(1);
  PopulationTrainer alone(model, data, some_recipes(), plan_of_small, &held_out);
  std::vector<std::vector<Score>> by_epoch;
  std::vector<std::vector<Tensor>> weights;
  std::vector<int> percents;
  std::vector<Score> best;
  train_population(alone, held_out,
                   {.progress = {},
                    .checkpoint =
                        [&](const PopulationCheckpoint& c) {
                          percents.push_back(c.best ? 0 : c.percent);
                          if (c.best) best = c.test;
                        },
                    .epoch =
                        [&] {
                          by_epoch.push_back(alone.evaluate(held_out));
                          weights.emplace_back();
                          for (const Tensor& w : alone.weights()) weights.back().push_back(w.clone());
                        }});
  CHECK(percents == std::vector<int>{50, 75, 100, 0});
  double highest = 0;
  for (std::int64_t n = 0; n < alone.networks(); ++n) {
    const auto i = static_cast<std::size_t>(n);
    std::size_t expected = 0;
    for (std::size_t e = 1; e < by_epoch.size(); ++e)
      if (by_epoch[e][i].accuracy > by_epoch[expected][i].accuracy) expected = e;
    CHECK(alone.best_epoch(n) == static_cast<std::int64_t>(expected) + 1);
    CHECK(best[i].accuracy == by_epoch[expected][i].accuracy);
    for (std::size_t t = 0; t < alone.best_weights().size(); ++t)
      CHECK(same_bytes(alone.best_weights()[t][n], weights[expected][t][n]));
    highest = std::max(highest, best[i].accuracy);
  }
  CHECK(highest > 0.6);
  for (int n : {2, 4}) {
    const WithThreads with(n);
    PopulationTrainer trainer(model, data, some_recipes(), plan_of_small, &held_out);
    train_population(trainer, held_out, {});
    CHECK(same_state(trainer, alone));
  }
}

TEST_CASE("a zoo of transformers resumes with the same bytes, and names its checkpoints") {
  RecipeGrid grid;
  grid.rates[0] = {1e30};  // SGD diverges
  ZooPlan plan = usual_plan(input_architecture("vit"), 4, 4, 16, 60, 9);
  plan.recipes = draw_training_recipes(grid, 0, 4, RandomKey(9, "recipes"));
  plan.held_out = 20;
  const TransformerPopulation model(small);
  const Dataset train = bright_rows(80, RandomKey(5, "train")), test = bright_rows(40, RandomKey(5, "test"));
  const TemporaryFolder folder;
  make_zoo(folder / "whole", model, train, test, plan, ZooWriter::Existing::refuse);
  struct Stop {};
  for (int stop_after : {1, 2, 3}) {
    int epochs = 0;
    CHECK_THROWS_AS(make_zoo(folder / "broken", model, train, test, plan, ZooWriter::Existing::replace,
                             {.training = {},
                              .safe_point =
                                  [&] {
                                    if (++epochs == stop_after) throw Stop{};
                                  }}),
                    Stop);
    make_zoo(folder / "broken", model, train, test, plan, ZooWriter::Existing::resume);
    CHECK(content(folder / "broken") == content(folder / "whole"));
  }
  const Zoo zoo = Zoo::open(folder / "whole");
  CHECK(zoo.description().checkpoints == std::vector<std::string>{"50", "75", "100", "best"});
  CHECK(zoo.description().settings.at("training_items") == "60");
  CHECK(zoo.rows().size() == 16);
  std::array<int, 4> of_checkpoint{};
  bool diverged = false;
  for (const ZooRow& row : zoo.rows()) {
    ++of_checkpoint[static_cast<std::size_t>(row.checkpoint)];
    if (row.checkpoint < 3) CHECK(row.epoch == row.checkpoint + 2);
    CHECK((row.checkpoint == 3) == std::isnan(row.train_accuracy));
    CHECK(row.splits == zoo.rows()[static_cast<std::size_t>(row.network)].splits);
    diverged = diverged || row.diverged;
  }
  CHECK(of_checkpoint == std::array{4, 4, 4, 4});
  CHECK(diverged);
  plan.held_out = 80;
  CHECK_THROWS_WITH_AS(make_zoo(folder / "x", model, train, test, plan, ZooWriter::Existing::refuse),
                       "[zoo] 80 of 80 training items held out; allowed: 0 to 79, fewer than there are", UsageError);
}
