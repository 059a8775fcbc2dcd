#include "weft/networks/population/population_draws.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "weft/nn/learning_rate.h"

namespace weft {
namespace {

void require_valid(const TrainingRecipe& recipe) {
  require_valid(recipe.rule);
  auto require = [](const char* what, double value, bool fits, const char* allowed) {
    if (!fits) throw UsageError("[population] {} {}; allowed: {}", what, value, allowed);
  };
  require("learning rate", recipe.learning_rate, recipe.learning_rate >= 0 && std::isfinite(recipe.learning_rate),
          "0 or more");
  require("init_std", recipe.init_std, recipe.init_std >= 0 && std::isfinite(recipe.init_std), "0 or more");
  require("init_cut", recipe.init_cut, recipe.init_cut >= 2 * recipe.init_std, "twice init_std or more");
  require("dropout", recipe.dropout, recipe.dropout >= 0 && recipe.dropout < 0.99, "0 or more, below 0.99");
  require("share", recipe.share, recipe.share > 0 && recipe.share <= 1, "above 0, at most 1");
}

}  // namespace

void require_valid(const TrainingPlan& plan, std::int64_t items) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  if (plan.epochs < 1 || plan.batch < 1 || plan.first_network < 0)
    throw UsageError("[population] {} epochs, batch {}, first network {}; allowed: 1, 1, 0 or more", plan.epochs,
                     plan.batch, plan.first_network);
  for (int percent : plan.percents)
    if (percent < 1 || percent > 100)
      throw UsageError("[population] a checkpoint after {} % of the epochs; allowed: 1 to 100", percent);
  if (items > most || plan.batch > most)
    throw UsageError("[population] {} items, batch {}; allowed: at most {}, for items have 32-bit numbers", items,
                     plan.batch, most);
  const std::int64_t steps = (items + plan.batch - 1) / plan.batch;
  if (steps > 0 && plan.epochs > most / steps)
    throw UsageError(
        "[population] {} epochs of {} steps; allowed: at most {} steps in all, for they have 32-bit numbers",
        plan.epochs, steps, most);
}

PopulationDraws::PopulationDraws(std::vector<TrainingRecipe> recipes, const TrainingPlan& plan, std::int64_t items,
                                 bool one_order)
    : recipes_(std::move(recipes)), plan_(plan), items_(items), one_order_(one_order) {
  require_valid(plan, items);
  for (const TrainingRecipe& recipe : recipes_) require_valid(recipe);
}

std::vector<std::int32_t> PopulationDraws::share(std::int64_t n) const {
  std::vector<std::int32_t> items = permutation(items_, key("share", n));
  const double wanted = std::round(recipe(n).share * static_cast<double>(items_));
  items.resize(std::max<std::size_t>(1, static_cast<std::size_t>(wanted)));
  return items;
}

RandomKey PopulationDraws::key(const char* purpose, std::int64_t network) const {
  return RandomKey(plan_.seed, purpose).at(static_cast<std::uint64_t>(number(network)));
}

std::vector<std::int32_t> PopulationDraws::order(std::int64_t n, std::int64_t epoch) const {
  if (one_order_)
    return permutation(items_, RandomKey(plan_.seed, "order").at("all").at(static_cast<std::uint64_t>(epoch)));
  const std::vector<std::int32_t> own = share(n);
  const auto items = static_cast<std::size_t>(items_);
  const RandomKey of_epoch = key("order", n).at(static_cast<std::uint64_t>(epoch));
  std::vector<std::int32_t> order;
  order.reserve(items);
  for (std::uint64_t pass = 0; order.size() < items; ++pass)
    for (std::int32_t place : permutation(static_cast<std::int64_t>(own.size()), of_epoch.at(pass)))
      if (order.size() < items) order.push_back(own[static_cast<std::size_t>(place)]);
  return order;
}

Dropout PopulationDraws::dropout(std::int64_t n, std::int64_t step) const {
  return {recipe(n).dropout, key("dropout", n).at(static_cast<std::uint64_t>(step))};
}

double PopulationDraws::learning_rate(std::int64_t n, std::int64_t step) const {
  const std::int64_t total = plan_.epochs * steps();
  const double rate = recipe(n).learning_rate;
  switch (plan_.rates) {
    case TrainingPlan::Rates::warmup_cosine:
      return WarmupCosine{rate, 1e-5, total / 10, total}(step - 1);
    case TrainingPlan::Rates::cosine:
      return WarmupCosine{rate, 0, 0, total}(step - 1);
    case TrainingPlan::Rates::constant:
      break;
  }
  return rate;
}

}  // namespace weft
