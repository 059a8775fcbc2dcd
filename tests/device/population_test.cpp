// Populations that a device trains, against those of the CPU.

#include "weft/data/glyphs.h"
#include "weft/networks/population/device_population.h"
#include "weft/networks/siren/siren_population.h"
#include "weft/tests/cnn_reference.h"
#include "weft/tests/device/device_under_test.h"
#include "weft/tests/device/without_recordings.h"
#include "weft/tests/files.h"
#include "weft/tests/transformer_reference.h"
#include "weft/zoo/make_zoo.h"

using namespace weft;
using namespace weft::testing;

namespace {

const std::vector<CnnArchitecture> cnns{
    {},
    {.image_rows = 9, .image_columns = 8, .widths = {2, 5, 17, 4}, .kernels = {3, 2}},
    {.image_rows = 8, .image_columns = 7, .widths = {1, 16, 16, 10}, .kernels = {3, 2}, .activation = UnaryOp::Tanh},
    // A stride beyond the kernel: positions that no tap reaches.
    {.image_rows = 13, .image_columns = 10, .widths = {1, 3, 8, 3}, .kernels = {2, 1}, .stride = 3},
};

const std::vector<TransformerArchitecture> transformers_here{
    {},
    {.shape = {.D = 13, .D_A = 10, .h = 2, .Dk = 5, .Dv = 18, .blocks = 2},
     .hidden = 9,
     .classes = 5,
     .patch = 2,
     .channels = 2,
     .image_rows = 4,
     .image_columns = 6},
    {.shape = {.D = 8, .D_A = 20, .h = 1, .Dk = 21, .Dv = 4, .blocks = 3},
     .hidden = 4,
     .classes = 3,
     .patch = 0,
     .length = 7},
    {.shape = {.D = 16, .D_A = 16, .h = 2, .Dk = 8, .Dv = 8, .blocks = 2},
     .hidden = 16,
     .classes = 4,
     .patch = 0,
     .length = 12,
     .pad_batch = 4,
     .residual = true},
};

std::vector<TrainingRecipe> mixed_recipes(double dropout) {
  return {
      {.rule = UpdateRule::sgd(0.1, 1e-3), .learning_rate = 0.05, .init_std = 0.2, .dropout = dropout, .share = 0.5},
      {.rule = UpdateRule::adam(1e-2), .learning_rate = 2e-3, .init_std = 0.3},
      {.rule = UpdateRule::rmsprop(), .learning_rate = 1e-3, .init_std = 0.3, .dropout = dropout / 2, .share = 0.8},
      {.rule = UpdateRule::adamw(0.1), .learning_rate = 1e-3, .init_std = 0.2, .dropout = dropout, .share = 0.3},
      {.rule = UpdateRule::sgd(), .learning_rate = 0.05, .init_std = 0.2}};
}

/// Gives all weights and biases of a trainer numbers; of every trainer the same.
void randomise(const PopulationTrainer& trainer, RandomKey key) {
  std::uint64_t number = 0;
  for (const Tensor& w : trainer.weights()) fill_normal(w, key.at(number++), 0, 0.3);
}

/// The largest |a - b|, over the largest |b - from|.
double change_error(const Tensor& a, const Tensor& b, const Tensor& from) {
  Difference error, change;
  error.add(a, b);
  change.add(b, from);
  CHECK(change.absolute() > 0);
  return error.absolute() / change.absolute();
}

void check_scores(const std::vector<Score>& got, const std::vector<Score>& expected) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t n = 0; n < got.size(); ++n) {
    CHECK(std::abs(got[n].loss - expected[n].loss) < 2e-5 * expected[n].loss);
    CHECK(got[n].accuracy == doctest::Approx(expected[n].accuracy).epsilon(1e-12));
  }
}

/// One step at a rate so large that the weights become their gradients.
void check_gradients(const PopulationModel& model, const Dataset& data, std::int64_t batch, RandomKey key) {
  std::vector<TrainingRecipe> recipes;
  for (double dropout : {0., 0.4, 0.1})
    recipes.push_back({.rule = UpdateRule::sgd(), .learning_rate = 1e3, .init_std = 0.1, .dropout = dropout});
  const TrainingPlan plan{.epochs = 1, .batch = batch, .seed = 5};
  const Dataset one = data.slice(0, batch);
  PopulationTrainer expected(model, one, recipes, plan), trainer(model, one, recipes, plan, nullptr, &device());
  randomise(expected, key);
  randomise(trainer, key);
  std::vector<Tensor> before;
  for (const Tensor& w : expected.weights()) before.push_back(w.clone());
  expected.train_epoch();
  trainer.train_epoch();
  for (std::size_t t = 0; t < before.size(); ++t) {
    CAPTURE(model.space().tensors()[t].name);
    CHECK(change_error(trainer.weights()[t], expected.weights()[t], before[t]) < 1e-4);
  }
}

void check_evaluation(const PopulationModel& model, const Dataset& data, std::int64_t batch, RandomKey key) {
  const TrainingPlan plan{.epochs = 1, .batch = batch, .seed = 6};
  const Dataset train = data.slice(0, data.items() - 6), test = data.slice(data.items() - 6, data.items());
  PopulationTrainer expected(model, train, mixed_recipes(0.5), plan),
      trainer(model, train, mixed_recipes(0.5), plan, nullptr, &device());
  randomise(expected, key);
  randomise(trainer, key);
  check_scores(trainer.evaluate(test), expected.evaluate(test));
  check_scores(trainer.evaluate_share(), expected.evaluate_share());
}

/// Two epochs, the last mini-batch of each smaller than the others.
void check_training(const PopulationModel& model, const Dataset& data, std::int64_t batch, RandomKey) {
  const TrainingPlan plan{
      .epochs = 2, .batch = batch, .seed = 7, .first_network = 11, .rates = TrainingPlan::Rates::warmup_cosine};
  REQUIRE(data.items() % batch != 0);
  const Dataset held_out = data.slice(0, 5);
  PopulationTrainer expected(model, data, mixed_recipes(0.3), plan, &held_out),
      trainer(model, data, mixed_recipes(0.3), plan, &held_out, &device());
  std::int64_t last = 0;
  for (PopulationTrainer* t : {&expected, &trainer})
    train_population(
        *t, held_out,
        {.progress = [&](std::int64_t done, std::int64_t) { last = done; }, .checkpoint = {}, .epoch = {}});
  CHECK(last == 10);
  const auto got = trainer.state(), wanted = expected.state();
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(got[i].name);
    REQUIRE(got[i].name == wanted[i].name);
    if (got[i].tensor.dtype() != DType::f32)
      CHECK(same_bits(got[i].tensor, wanted[i].tensor));
    else
      for (std::int64_t n = 0; n < 5; ++n) {
        CAPTURE(n);
        CHECK(relative_error(got[i].tensor[n], wanted[i].tensor[n]) <= 1e-3);
      }
  }
}

using Check = void(const PopulationModel&, const Dataset&, std::int64_t batch, RandomKey);

void of_cnns(Check* check, RandomKey key) {
  for (std::size_t i = 0; i < cnns.size(); ++i) {
    CAPTURE(i);
    check(CnnPopulation(cnns[i]), noise_data(cnns[i], 14, key.at(i)), 4, key.at(i));
  }
}

void of_transformers(Check* check, RandomKey key) {
  for (std::size_t i = 0; i < transformers_here.size(); ++i) {
    CAPTURE(i);
    const TransformerPopulation model(transformers_here[i]);
    check(model, noise_data(transformers_here[i], 14, key.at(i)), 4, key.at(i));
  }
}

bool same_state(const PopulationTrainer& a, const PopulationTrainer& b) {
  const auto x = a.state(), y = b.state();
  for (std::size_t i = 0; i < x.size(); ++i)
    if (!same_bits(x[i].tensor, y[i].tensor)) return false;
  return true;
}

}  // namespace

TEST_CASE("populations on a device: the gradients of CNNs") { of_cnns(check_gradients, RandomKey(1, "population")); }
TEST_CASE("populations on a device: the gradients of transformers") {
  of_transformers(check_gradients, RandomKey(2, "population"));
}
TEST_CASE("populations on a device: CNNs are evaluated") { of_cnns(check_evaluation, RandomKey(3, "population")); }
TEST_CASE("populations on a device: transformers are evaluated") {
  of_transformers(check_evaluation, RandomKey(4, "population"));
}
TEST_CASE("populations on a device: two epochs of CNNs follow the CPU's") {
  of_cnns(check_training, RandomKey(5, "population"));
}
TEST_CASE("populations on a device: two epochs of transformers follow the CPU's") {
  of_transformers(check_training, RandomKey(6, "population"));
}

TEST_CASE("populations on a device: implicit networks follow the CPU's, each on its own image") {
  const SirenPopulation model({.channels = 2, .rows = 5, .columns = 7, .width = 6, .views = 2});
  Dataset data{"noise", Tensor::zeros({3, 2, 5, 7}, DType::f32), Tensor::zeros({3}, DType::i32), 10};
  fill_uniform(data.images, RandomKey(9, "population"), -1, 1);
  // The last mini-batch is smaller than the others, and the first networks of the zoo are not among these.
  const TrainingPlan plan{
      .epochs = 2, .batch = 8, .seed = 7, .first_network = 1, .rates = TrainingPlan::Rates::cosine, .percents = {100}};
  const std::vector<TrainingRecipe> recipes(5, {.rule = UpdateRule::adam(), .learning_rate = 1e-3});
  PopulationTrainer expected(model, data, recipes, plan), trainer(model, data, recipes, plan, nullptr, &device());
  for (PopulationTrainer* t : {&expected, &trainer}) train_population(*t, data, {});
  for (std::size_t t = 0; t < expected.weights().size(); ++t)
    CHECK(relative_error(trainer.weights()[t], expected.weights()[t]) < 1e-4);
  const auto got = trainer.evaluate(data), wanted = expected.evaluate(data);
  for (std::size_t n = 0; n < got.size(); ++n) {
    CHECK(got[n].loss == doctest::Approx(wanted[n].loss).epsilon(1e-4));
    CHECK(std::isnan(got[n].accuracy));
  }
}

TEST_CASE("populations on a device: the same bits twice, and resumed") {
  const CnnPopulation model(cnns[1]);
  const Dataset data = noise_data(cnns[1], 14, RandomKey(7, "population"));
  const TrainingPlan plan{.epochs = 3, .batch = 4, .seed = 3};
  PopulationTrainer through(model, data, mixed_recipes(0.3), plan, nullptr, &device()),
      again(model, data, mixed_recipes(0.3), plan, nullptr, &device()),
      resumed(model, data, mixed_recipes(0.3), plan, nullptr, &device());
  std::vector<std::byte> saved;
  train_population(through, data, {.progress = {}, .checkpoint = {}, .epoch = [&] {
                                     if (through.epochs_done() == 1) saved = safetensors_bytes(through.state());
                                   }});
  train_population(again, data, {});
  CHECK(same_state(again, through));
  resumed.resume(SafeTensors::parse(saved, "state"));
  CHECK_FALSE(same_state(resumed, through));
  train_population(resumed, data, {});
  CHECK(same_state(resumed, through));
}

TEST_CASE("populations on a device: a network that diverges keeps its last finite weights and disturbs nobody") {
  const CnnPopulation model(cnns[1]);
  const Dataset data = noise_data(cnns[1], 14, RandomKey(8, "population"));
  const TrainingPlan plan{.epochs = 2, .batch = 4};
  const TrainingRecipe good{.rule = UpdateRule::adam(), .learning_rate = 1e-3};
  const TrainingRecipe too_fast{.rule = UpdateRule::sgd(), .learning_rate = 1e15};
  const TrainingRecipe too_large{.rule = UpdateRule::sgd(), .learning_rate = 1e-3, .init_std = 1e13};
  const std::vector<TrainingRecipe> recipes{good, too_fast, too_large};
  PopulationTrainer trainer(model, data, recipes, plan, nullptr, &device()), expected(model, data, recipes, plan),
      fresh(model, data, recipes, plan), calm(model, data, {good, good, good}, plan, nullptr, &device());
  trainer.train_epoch();
  expected.train_epoch();
  calm.train_epoch();
  std::vector<Tensor> frozen;
  for (const Tensor& w : trainer.weights()) frozen.push_back(w[1].clone());
  for (std::int64_t n = 0; n < 3; ++n) CHECK(trainer.diverged_at(n) == expected.diverged_at(n));
  CHECK(trainer.diverged_at(1) > 1);
  CHECK(trainer.diverged_at(2) == 1);
  trainer.train_epoch();
  calm.train_epoch();
  for (std::size_t t = 0; t < frozen.size(); ++t) {
    CHECK(same_bits(trainer.weights()[t][1], frozen[t]));
    CHECK(same_bits(trainer.weights()[t][2], fresh.weights()[t][2]));
    CHECK(distance(trainer.weights()[t][0], calm.weights()[t][0]) < 1e-4);
    for (float w : frozen[t].span<float>()) CHECK(std::isfinite(w));
  }
}

TEST_CASE("populations on a device: more networks than run at once") {
  const CnnPopulation model(cnns[3]);
  const Dataset data = noise_data(cnns[3], 10, RandomKey(9, "population"));
  const PopulationDraws schedule(mixed_recipes(0.3), {.epochs = 1, .batch = 4}, data.items());
  PopulationTrainer together(model, data, schedule.recipes(), schedule.plan(), nullptr, &device()),
      start(model, data, schedule.recipes(), schedule.plan());
  together.train_epoch();
  const std::int64_t one = DevicePopulation(device(), model, data, schedule).bytes_of_network();
  DevicePopulation few(device(), model, data, schedule, 2 * one + one / 2);
  CHECK(few.networks_at_once() == 2);
  std::vector<Tensor> first = zeros_like(start.weights()), second = zeros_like(start.weights());
  std::vector<std::int32_t> diverged_at(5, 0);
  std::vector<std::int64_t> done;
  few.train_epoch(0, {start.weights(), first, second, diverged_at}, [&](std::int64_t n) { done.push_back(n); });
  CHECK(done == std::vector<std::int64_t>{1, 3, 5});
  for (std::size_t t = 0; t < first.size(); ++t) CHECK(distance(start.weights()[t], together.weights()[t]) < 1e-5);
}

TEST_CASE("populations on a device: steps that are launched one by one are told, and give the same bits") {
  const std::shared_ptr<Backend> slow = device_without_recordings();
  if (!slow) return;
  const CnnPopulation model(cnns[3]);
  const Dataset data = noise_data(cnns[3], 10, RandomKey(9, "population"));
  const TrainingPlan plan{.epochs = 1, .batch = 4};
  PopulationTrainer recorded(model, data, mixed_recipes(0.3), plan, nullptr, &device()),
      launched(model, data, mixed_recipes(0.3), plan, nullptr, slow.get()), here(model, data, mixed_recipes(0.3), plan);
  for (PopulationTrainer* trainer : {&recorded, &launched, &here}) trainer->train_epoch();
  CHECK(launched.fallback() == "[record] this device cannot record");
  CHECK((recorded.fallback().empty() && here.fallback().empty()));
  for (std::size_t t = 0; t < recorded.weights().size(); ++t)
    CHECK(same_bits(recorded.weights()[t], launched.weights()[t]));
}

TEST_CASE("populations on a device: texts of another padding are refused") {
  TransformerArchitecture a = transformers_here[3];
  const TransformerPopulation model(a);
  const Dataset data = noise_data(a, 10, RandomKey(10, "population"));
  CHECK_THROWS_WITH_AS(PopulationTrainer(model, data, mixed_recipes(0), {.epochs = 1, .batch = 5}, nullptr, &device()),
                       "[transformer_population] texts padded to the longest of 4 on a device; allowed: of 5, the "
                       "mini-batch, or of 0, all to one length",
                       UsageError);
}

TEST_CASE("populations on a device: an architecture that has its definition alone") {
  Dataset data = draw_glyphs(22, RandomKey(13, "population"));
  data = averaged(data, 4);
  const auto model =
      input_architecture("resnet").make(architecture_settings("resnet", {{"blocks", 2}, {"width", 5}}), data, 8);
  const RandomKey key(14, "population");
  check_gradients(*model, data, 8, key);
  check_evaluation(*model, data, 8, key);
  check_training(*model, data, 8, key);
}

TEST_CASE("populations on a device: transformers by their definition, images and texts") {
  for (const std::size_t i : {1, 2}) {
    CAPTURE(i);
    const DefinedPopulation model(transformer_definition(transformers_here[i]));
    const Dataset data = noise_data(transformers_here[i], 14, RandomKey(15, "population").at(i));
    const RandomKey key = RandomKey(16, "population").at(i);
    check_gradients(model, data, 4, key);
    check_evaluation(model, data, 4, key);
    check_training(model, data, 4, key);
  }
}

TEST_CASE("populations on a device: a zoo is the CPU's up to rounding, and goes on only on a device") {
  RecipeGrid grid;
  grid.init_stds = {{{0.1}, {0.1}}};
  ZooPlan plan = usual_plan(input_architecture("vit"), 4, 2, 8, 20, 0);
  plan.recipes = draw_training_recipes(grid, 0, 4, RandomKey(0, "recipes"));
  plan.held_out = 6;
  plan.training.percents = {50, 100};
  const TransformerPopulation model(transformers_here[1]);
  const Dataset train = noise_data(transformers_here[1], 26, RandomKey(11, "population")),
                test = noise_data(transformers_here[1], 20, RandomKey(12, "population"));
  const TemporaryFolder folder;
  make_zoo(folder / "cpu", model, train, test, plan, ZooWriter::Existing::refuse);
  plan.backend = &device();
  make_zoo(folder / "device", model, train, test, plan, ZooWriter::Existing::refuse);
  struct Stop {};
  CHECK_THROWS_AS(make_zoo(folder / "broken", model, train, test, plan, ZooWriter::Existing::refuse,
                           {.training = {}, .safe_point = [] { throw Stop{}; }}),
                  Stop);
  plan.backend = nullptr;
  CHECK_THROWS_WITH_AS(make_zoo(folder / "broken", model, train, test, plan, ZooWriter::Existing::resume),
                       doctest::Contains("has another description"), UsageError);
  plan.backend = &device();
  make_zoo(folder / "broken", model, train, test, plan, ZooWriter::Existing::resume);

  const Zoo expected = Zoo::open(folder / "cpu"), zoo = Zoo::open(folder / "device"),
            resumed = Zoo::open(folder / "broken");
  CHECK(zoo.description().settings.at("device") == "cuda");
  REQUIRE(zoo.rows().size() == expected.rows().size());
  std::vector<std::int64_t> ids;
  for (const ZooRow& row : zoo.rows()) {
    ids.push_back(row.id);
    CHECK(row.loss == doctest::Approx(expected.rows()[ids.size() - 1].loss).epsilon(1e-3));
  }
  const std::vector<Tensor> a = zoo.weights(ids), b = expected.weights(ids), c = resumed.weights(ids);
  for (std::size_t t = 0; t < a.size(); ++t) {
    CHECK(distance(a[t], b[t]) < 1e-3);
    CHECK(same_bits(a[t], c[t]));
  }
}
