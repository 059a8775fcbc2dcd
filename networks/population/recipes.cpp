#include "weft/networks/population/recipes.h"

#include <algorithm>
#include <cmath>

namespace weft {
namespace {

double log_uniform(RandomKey key, RecipeRanges::Range range) {
  return std::exp(uniform(key, 0, std::log(range.low), std::log(range.high)));
}

template <class T>
T one_of(RandomKey key, const std::vector<T>& list) {
  if (list.empty()) throw UsageError("[recipes] an empty list; allowed: one entry or more");
  return list[static_cast<std::size_t>(uniform_index(key, 0, static_cast<std::int64_t>(list.size())))];
}

TrainingRecipe draw(const RecipeRanges& r, RandomKey key) {
  TrainingRecipe recipe;
  recipe.rule.kind = one_of(key.at("rule"), r.rules);
  recipe.rule.weight_decay = log_uniform(key.at("weight_decay"), r.weight_decay);
  const bool sgd = recipe.rule.kind == UpdateRule::Kind::sgd || recipe.rule.kind == UpdateRule::Kind::momentum;
  if (recipe.rule.kind == UpdateRule::Kind::momentum)
    recipe.rule.momentum = log_uniform(key.at("momentum"), r.momentum);
  recipe.learning_rate = log_uniform(key.at("learning_rate"), sgd ? r.sgd_rate : r.adaptive_rate);
  recipe.init_std = log_uniform(key.at("init_std"), r.init_std);
  recipe.dropout = one_of(key.at("dropout"), r.dropouts);
  recipe.share = one_of(key.at("share"), r.shares);
  return recipe;
}

/// pick(name, list): the value of one axis.
template <class Pick>
TrainingRecipe recipe_of(const RecipeGrid& grid, const Pick& pick) {
  TrainingRecipe recipe;
  recipe.rule = pick("rule", grid.rules);
  const bool sgd = recipe.rule.kind == UpdateRule::Kind::sgd || recipe.rule.kind == UpdateRule::Kind::momentum;
  const std::size_t list = sgd ? 0 : 1;
  recipe.rule.weight_decay = pick("weight_decay", grid.weight_decays);
  recipe.learning_rate = pick("learning_rate", grid.rates[list]);
  recipe.init_std = pick("init_std", grid.init_stds[list]);
  recipe.init_cut = grid.init_cut;
  recipe.dropout = pick("dropout", grid.dropouts);
  recipe.share = pick("share", grid.shares);
  return recipe;
}

TrainingRecipe draw(const RecipeGrid& grid, RandomKey key) {
  return recipe_of(grid, [&](const char* name, const auto& list) { return one_of(key.at(name), list); });
}

template <class From>
std::vector<TrainingRecipe> draw_all(const From& from, std::int64_t first, std::int64_t count, RandomKey key) {
  std::vector<TrainingRecipe> recipes;
  for (std::int64_t i = 0; i < count; ++i) recipes.push_back(draw(from, key.at(static_cast<std::uint64_t>(first + i))));
  return recipes;
}

}  // namespace

RecipeRanges RecipeRanges::for_steps(std::int64_t steps) const {
  constexpr double tuned_for = 752;
  RecipeRanges out = *this;
  // A wider range holds fewer slow networks than a narrow one: hence more than in proportion.
  const double factor = std::min(1., std::pow(tuned_for / static_cast<double>(steps), 1.5));
  out.sgd_rate.low *= factor;
  out.adaptive_rate.low *= factor;
  return out;
}

std::vector<TrainingRecipe> draw_training_recipes(const RecipeRanges& ranges, std::int64_t first, std::int64_t count,
                                                  RandomKey key) {
  return draw_all(ranges, first, count, key);
}

std::vector<TrainingRecipe> draw_training_recipes(const RecipeGrid& grid, std::int64_t first, std::int64_t count,
                                                  RandomKey key) {
  return draw_all(grid, first, count, key);
}

std::int64_t runs_of(const RecipeGrid& grid) {
  const auto rates = [&](auto of) { return std::ssize(grid.rates[of]) * std::ssize(grid.init_stds[of]); };
  if (rates(0) != rates(1))
    throw UsageError("[recipes] a grid of {} and {} rates and starts; allowed: as many for each rule", rates(0),
                     rates(1));
  return std::ssize(grid.rules) * rates(0) * std::ssize(grid.weight_decays) * std::ssize(grid.dropouts) *
         std::ssize(grid.shares);
}

std::vector<TrainingRecipe> all_training_recipes(const RecipeGrid& grid, std::int64_t count, RandomKey key) {
  const std::int64_t runs = runs_of(grid);
  if (count < 1 || count > runs) throw UsageError("[recipes] {} runs; allowed: 1 to {}, all of the grid", count, runs);
  const std::vector<std::int32_t> order = permutation(runs, key.at("grid"));
  std::vector<TrainingRecipe> recipes;
  for (std::int64_t i = 0; i < count; ++i) {
    auto rest = static_cast<std::size_t>(order[static_cast<std::size_t>(i)]);
    recipes.push_back(recipe_of(grid, [&](const char*, const auto& list) {
      const std::size_t place = rest % list.size();
      rest /= list.size();
      return list[place];
    }));
  }
  return recipes;
}

}  // namespace weft
