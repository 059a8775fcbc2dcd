#include "weft/zoo/zoo_cost.h"

#include <algorithm>
#include <cmath>

#include "weft/core/clock.h"
#include "weft/core/parallel.h"

namespace weft {
namespace {

constexpr std::int64_t steps_of_sample = 8, networks_of_thread = 2;

template <class F>
double seconds_of(const F& f) {
  const auto start = Clock::now();
  f();
  return seconds_since(start);
}

}  // namespace

double ZooCost::seconds_of(std::int64_t ranks) const {
  const std::int64_t share = (networks + ranks - 1) / ranks;
  return seconds * (static_cast<double>(share) / static_cast<double>(networks));
}

ZooCost measure_cost(const PopulationModel& model, const Dataset& train, const Dataset& test, const ZooPlan& plan) {
  const ZooRange range = plan.part.value_or(ZooRange{0, std::ssize(plan.recipes)});
  const bool implicit = model.implicit();
  ZooCost cost{.networks = range.networks()};
  std::int64_t saved = 0;
  for (std::int64_t epoch = 1; epoch <= plan.training.epochs; ++epoch)
    saved += checkpoint_after(plan.training, epoch).has_value();
  cost.checkpoints = cost.networks * (saved + (plan.held_out > 0));

  // Pixels of an image are all that an implicit network sees: a shorter sample is of fewer images, not of fewer pixels.
  const Dataset seen =
      implicit ? train : train.slice(0, std::min(train.items(), plan.training.batch * steps_of_sample));
  const std::int64_t sample = std::min<std::int64_t>(cost.networks, networks_of_thread * threads());
  std::vector<TrainingRecipe> recipes;
  for (std::int64_t i = 0; i < sample; ++i)
    recipes.push_back(plan.recipes[static_cast<std::size_t>(range.first + i * cost.networks / sample)]);
  TrainingPlan training = plan.training;
  training.epochs = 2;
  PopulationTrainer trainer(model, seen, recipes, training, nullptr, plan.backend);
  trainer.train_epoch();  // the first touches the memory
  const double training_seconds = weft::seconds_of([&] { trainer.train_epoch(); });
  const Dataset& judged = implicit ? seen : test;
  const Dataset some = implicit ? judged : judged.slice(0, std::min(judged.items(), seen.items()));
  const double judging_seconds = weft::seconds_of([&] { trainer.evaluate(some); });

  const auto number = [](std::int64_t n) { return static_cast<double>(n); };
  const double items = number(model.items(implicit ? train : train.slice(0, train.items() - plan.held_out))),
               sampled = number(sample * model.items(seen)), judged_once = number(sample * model.items(some));
  const double trained = number(cost.networks) * number(plan.training.epochs) * items;
  // The best epoch is found by judging every one of them; what is saved is judged on test items, and on its own ones.
  double looked_at = number(cost.networks) * number(plan.training.epochs) * number(plan.held_out);
  looked_at += number(cost.checkpoints) * number(model.items(judged));
  if (!implicit) looked_at += number(cost.networks * saved) * items;
  cost.flops = trained * model.training_flops() + looked_at * model.forward_flops();
  cost.seconds = trained / sampled * training_seconds + looked_at / judged_once * judging_seconds;
  cost.measured_flops = sampled * model.training_flops() / training_seconds;
  cost.bytes = number(cost.checkpoints) * number(model.space().parameters()) * sizeof(float);
  return cost;
}

}  // namespace weft
