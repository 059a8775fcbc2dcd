#pragma once
// What is drawn for each network of a zoo, so that accuracies spread from chance to the best reachable.

#include <array>
#include <limits>
#include <vector>

#include "weft/core/random.h"
#include "weft/nn/optim.h"

namespace weft {

struct TrainingRecipe {
  UpdateRule rule;  ///< weight_decay is L2's λ (loss + λ/2 |W|²; AdamW: decoupled) and acts on weights, not on biases
  double learning_rate = 1e-3;
  double init_std = 0.1;                                      ///< of the weights; biases start at 0
  double init_cut = std::numeric_limits<double>::infinity();  ///< start weights beyond it are drawn again
  double dropout = 0;                                         ///< of hidden values
  double share = 1;  ///< of the training items, drawn for each network; the number of steps is the same for all
};

/// Ranges are drawn log-uniformly, lists uniformly.
struct RecipeRanges {
  struct Range {
    double low, high;
  };
  std::vector<UpdateRule::Kind> rules{UpdateRule::Kind::momentum, UpdateRule::Kind::adam, UpdateRule::Kind::rmsprop};
  Range sgd_rate{2e-2, 5e-1}, adaptive_rate{2e-4, 2e-2};  ///< adaptive: Adam, AdamW, RMSprop
  Range momentum{1e-3, 1e-1};                             ///< of FactorKind::momentum
  Range init_std{0.03, 0.4};
  Range weight_decay{1e-8, 5e-3};
  std::vector<double> dropouts{0, 0, 0, 0.2, 0.35, 0.5};
  std::vector<double> shares{0.1, 0.25, 0.5, 1};

  /// The same for another number of training steps than the 752 that they were tuned for: more steps lower the low ends
  /// of the learning rates, so that the slowest networks come as far and accuracies spread as they did.
  RecipeRanges for_steps(std::int64_t steps) const;
};

/// Recipe i is drawn from key.at(first + i).
std::vector<TrainingRecipe> draw_training_recipes(const RecipeRanges& ranges, std::int64_t first, std::int64_t count,
                                                  RandomKey key);

/// The grid of the published zoo of transformers (spec 6.2). Every list is drawn from uniformly; of two lists the first
/// is for SGD, with momentum or without, the second for Adam and RMSprop.
struct RecipeGrid {
  using Lists = std::array<std::vector<double>, 2>;
  std::vector<UpdateRule> rules{UpdateRule::sgd(), UpdateRule::sgd(0.9), UpdateRule::adam(), UpdateRule::rmsprop()};
  Lists rates{{{1e-3, 3e-3, 5e-3, 7e-3, 1e-2, 3e-2, 5e-2, 7e-2}, {3e-4, 5e-4, 1e-3, 3e-3, 5e-3, 1e-2, 3e-2, 5e-2}}};
  Lists init_stds{{{0.1, 0.15, 0.2, 0.25, 0.3}, {0.1, 0.2, 0.3, 0.4, 0.5}}};
  double init_cut = 2;
  std::vector<double> weight_decays{1e-8, 1e-7, 1e-6, 1e-4, 1e-2};
  std::vector<double> dropouts{0, 0.05, 0.1, 0.15, 0.2};
  std::vector<double> shares{1, 0.9, 0.8, 0.7};
};

/// Recipe i is drawn from key.at(first + i).
std::vector<TrainingRecipe> draw_training_recipes(const RecipeGrid& grid, std::int64_t first, std::int64_t count,
                                                  RandomKey key);

/// How many different recipes a grid has; and the first `count` of all of them, each once, in an order drawn from
/// `key`. Throws UsageError for more than there are.
std::int64_t runs_of(const RecipeGrid& grid);
std::vector<TrainingRecipe> all_training_recipes(const RecipeGrid& grid, std::int64_t count, RandomKey key);

}  // namespace weft
