#pragma once
// The architectures of the networks that are read, by name: what a zoo of them needs to be made.

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "weft/core/settings.h"
#include "weft/networks/population/population_draws.h"
#include "weft/networks/population/population_model.h"

namespace weft {

/// What a zoo of an architecture has where nothing else is said.
struct UsualZoo {
  std::int64_t networks, items, test_items, epochs, batch;
  /// Of the training items, on which the best epoch is found; 0: no network's best epoch is kept.
  std::int64_t held_out = 0;
};

struct InputArchitecture {
  const char* name;  ///< "cnn"
  const char* text;  ///< what it is, on a line
  bool texts;        ///< else it reads images
  std::vector<Setting> settings;
  UsualZoo usual;
  /// What all of its trainings have in common: learning rates over time, when checkpoints fall due.
  TrainingPlan training;
  /// Networks for these data, trained in mini-batches of so many items.
  std::unique_ptr<PopulationModel> (*make)(const Settings& settings, const Dataset& data, std::int64_t batch);
  /// The recipes of networks that are trained for so many steps.
  std::vector<TrainingRecipe> (*recipes)(std::int64_t networks, std::int64_t steps, RandomKey key);
  /// Of kinds whose recipes are drawn from one: all of its combinations can be trained instead.
  std::optional<RecipeGrid> grid{};
};

/// All of them, by networks/list.h.
std::vector<const InputArchitecture*> input_architectures();
/// Throws UsageError for an unknown one, naming those there are.
const InputArchitecture& input_architecture(std::string_view name);
/// The usual ones, but for those given. Throws UsageError for one that the architecture lacks, or out of range.
Settings architecture_settings(std::string_view name, Settings::Given given = {});

}  // namespace weft
