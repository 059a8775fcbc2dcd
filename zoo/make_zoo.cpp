#include "weft/zoo/make_zoo.h"

#include <algorithm>

#include <fmt/format.h>

#include "weft/io/csv.h"
#include "weft/ops/pointwise.h"

namespace weft {
namespace {

template <class Value>
HyperParameter column(const std::vector<TrainingRecipe>& recipes, const char* name, const char* meaning, Value value) {
  std::vector<double> values;
  for (const TrainingRecipe& r : recipes) values.push_back(value(r));
  return HyperParameter::numbers(name, meaning, values);
}

std::vector<HyperParameter> hyper_parameters(const std::vector<TrainingRecipe>& recipes) {
  HyperParameter rule{"optimiser", "update rule", {}};
  for (const TrainingRecipe& r : recipes) rule.values.emplace_back(name(r.rule.kind));
  using R = const TrainingRecipe&;
  return {std::move(rule),
          column(recipes, "learning_rate", "step size", [](R r) { return r.learning_rate; }),
          column(recipes, "momentum", "of the rule momentum, else 0", [](R r) { return r.rule.momentum; }),
          column(recipes, "init_std", "standard deviation of the start weights", [](R r) { return r.init_std; }),
          column(recipes, "weight_decay", "L2 factor of the weights", [](R r) { return r.rule.weight_decay; }),
          column(recipes, "dropout", "rate on hidden values, in training", [](R r) { return r.dropout; }),
          column(recipes, "share", "of the training images that the network sees", [](R r) { return r.share; })};
}

ZooDescription describe(const Dataset& train, const Dataset& test, const CnnZooPlan& plan, const Space& space,
                        const std::vector<TrainingRecipe>& recipes) {
  ZooDescription d;
  d.space = space;
  d.architecture = "cnn";
  d.activation = traits(plan.activation).name;
  d.data_name = train.name;
  d.data_hash = content_hash(train);
  d.generator = plan.generator;
  d.seed = plan.training.seed;
  d.networks = plan.networks;
  d.hyper_parameters = hyper_parameters(recipes);
  d.settings = {{"epochs", std::to_string(plan.training.epochs)},
                {"batch", std::to_string(plan.training.batch)},
                {"image", fmt::format("{}x{}x{}", train.channels(), train.rows(), train.columns())},
                {"training_items", std::to_string(train.items())},
                {"test_items", std::to_string(test.items())},
                {"test_hash", content_hash(test)}};
  return d;
}

void append(ZooWriter& writer, const PopulationTrainer& trainer, const PopulationCheckpoint& checkpoint) {
  std::vector<ZooResult> results;
  for (std::int64_t n = 0; n < trainer.networks(); ++n) {
    const auto i = static_cast<std::size_t>(n);
    ZooResult result;
    result.network = n;
    result.epoch = trainer.epochs_done();
    result.accuracy = checkpoint.test[i].accuracy;
    result.loss = checkpoint.test[i].loss;
    result.train_accuracy = checkpoint.train[i].accuracy;
    result.diverged = trainer.diverged_at(n) != 0;
    results.push_back(result);
  }
  writer.append(results, trainer.weights());
}

}  // namespace

void make_cnn_zoo(const std::filesystem::path& folder, const Dataset& train, const Dataset& test,
                  const CnnZooPlan& plan, ZooWriter::Existing existing, const ZooProgress& progress) {
  // Checked here too: nothing is written for a plan that cannot be trained.
  if (plan.networks < 1 || plan.training.epochs < 1 || plan.training.batch < 1 || train.items() < 1 || test.items() < 1)
    throw UsageError("[zoo] {} networks, {} epochs, batch {}, {} images, {} test images; allowed: 1 or more of each",
                     plan.networks, plan.training.epochs, plan.training.batch, train.items(), test.items());
  CnnArchitecture architecture;
  architecture.image_rows = train.rows();
  architecture.image_columns = train.columns();
  architecture.widths.front() = train.channels();
  architecture.widths.back() = train.classes;
  architecture.activation = plan.activation;
  const CnnPopulation model(architecture);
  const std::int64_t steps = plan.training.epochs * ((train.items() + plan.training.batch - 1) /
                                                     std::max<std::int64_t>(plan.training.batch, 1));
  const auto recipes =
      draw_training_recipes(plan.ranges.for_steps(steps), 0, plan.networks, Key(plan.training.seed, "recipes"));

  ZooWriter writer(folder, describe(train, test, plan, model.space(), recipes), existing);
  if (writer.complete()) return;
  PopulationTrainer trainer(model, train, recipes, plan.training);
  if (const auto saved = writer.state()) trainer.resume(*saved);
  train_population(trainer, test,
                   {.progress = progress.training,
                    .checkpoint = [&](const PopulationCheckpoint& checkpoint) { append(writer, trainer, checkpoint); },
                    .epoch =
                        [&] {
                          writer.save_state(trainer.state());
                          if (progress.safe_point) progress.safe_point();
                        }});
  writer.finish();
}

}  // namespace weft
