#pragma once
// What is drawn for the networks of a population, and when: all of it from (seed, purpose, network, epoch or step), so
// that nothing of it is kept and every device trains on the same items with the same dropout.

#include <functional>
#include <string>
#include <vector>

#include "weft/networks/population/population_model.h"
#include "weft/networks/population/recipes.h"

namespace weft {

struct TrainingPlan {
  std::int64_t epochs = 8, batch = 32;
  std::uint64_t seed = 0;
  std::int64_t first_network = 0;  ///< its number in the zoo: network i draws from the keys of first_network + i
  /// Learning rates over time (nn/learning_rate.h): as they are; after a tenth of all steps of linear warm-up along a
  /// cosine to 1e-5; along a cosine to 0.
  enum class Rates : std::uint8_t { constant, warmup_cosine, cosine };
  Rates rates = Rates::constant;
  std::vector<int> percents{25, 50, 100};  ///< of the epochs, rounded up: when train_population has checkpoints
};

/// Throws UsageError for a plan that cannot be trained on so many items; steps and items are counted in 32 bits.
void require_valid(const TrainingPlan& plan, std::int64_t items);

/// The items that networks are judged on: one list for all of them, or one of each, drawn when it is asked for.
struct ItemLists {
  bool shared;
  std::function<std::vector<std::int32_t>(std::int64_t network)> of;
};

class PopulationDraws {
 public:
  /// For `items` training items, which every network sees in an order of its own; or, with one_order, all in the same:
  /// pixels of their own images, say. Throws UsageError for a recipe or plan out of range.
  PopulationDraws(std::vector<TrainingRecipe> recipes, const TrainingPlan& plan, std::int64_t items,
                  bool one_order = false);

  std::int64_t networks() const { return static_cast<std::int64_t>(recipes_.size()); }
  const std::vector<TrainingRecipe>& recipes() const { return recipes_; }
  const TrainingRecipe& recipe(std::int64_t network) const { return recipes_[static_cast<std::size_t>(network)]; }
  const TrainingPlan& plan() const { return plan_; }
  /// The training items that a network sees. Drawn anew each time: those of all networks are more than fits.
  std::vector<std::int32_t> share(std::int64_t network) const;
  std::int64_t items() const { return items_; }
  bool one_order() const { return one_order_; }
  /// Of an epoch: the last mini-batch is as large as what is left.
  std::int64_t steps() const { return (items_ + plan_.batch - 1) / plan_.batch; }

  /// Its number in the zoo.
  std::int64_t number(std::int64_t network) const { return plan_.first_network + network; }
  /// Passes over the network's share, each in an order of its own, until it has seen as many items as there are. With
  /// one_order() all items once, the same for all networks.
  std::vector<std::int32_t> order(std::int64_t network, std::int64_t epoch) const;
  /// step: of all epochs, counted from 1.
  Dropout dropout(std::int64_t network, std::int64_t step) const;
  double learning_rate(std::int64_t network, std::int64_t step) const;

 private:
  RandomKey key(const char* purpose, std::int64_t network) const;

  std::vector<TrainingRecipe> recipes_;
  TrainingPlan plan_;
  std::int64_t items_;
  bool one_order_;
};

}  // namespace weft
