#pragma once
// Training of many networks of one architecture, each by its own recipe. Networks are independent of each other: one
// thread takes one network through a whole epoch, so that its weights, gradient and optimiser's state stay in cache.

#include <functional>
#include <vector>

#include "weft/io/safetensors.h"
#include "weft/zoo/population_model.h"
#include "weft/zoo/recipes.h"

namespace weft {

struct TrainingPlan {
  std::int64_t epochs = 8, batch = 32;
  std::uint64_t seed = 0;
  std::int64_t first_network = 0;  ///< its number in the zoo: network i draws from the keys of first_network + i
};

/// After any epoch the state is complete: resumed from it, training gives the same bytes as without the break. Start
/// values, shares, orders and dropout are drawn from (seed, purpose, network, epoch or step), never kept. The result
/// depends on model, data, recipes and plan alone, not on the number of threads.
class PopulationTrainer {
 public:
  /// Draws the start values. Model and data must outlive this. Throws what model.check() throws, and UsageError for a
  /// recipe or plan out of range.
  PopulationTrainer(const PopulationModel& model, const Dataset& train, std::vector<TrainingRecipe> recipes,
                    const TrainingPlan& plan);

  /// One epoch of every network that has not diverged: as many items as the training data has, in mini-batches, the
  /// last one as large as what is left. All networks take the same number of steps; one with a smaller share passes
  /// over it more often. A network diverges when its loss or gradient is no finite number or the gradient's norm
  /// exceeds 1e15; it keeps the weights from before that step from then on. `progress(networks done)` is called on the
  /// calling thread, now and then, and must not throw. Throws UsageError after the last epoch.
  void train_epoch(const std::function<void(std::int64_t)>& progress = {});

  std::int64_t networks() const { return static_cast<std::int64_t>(recipes_.size()); }
  std::int64_t epochs_done() const { return *epochs_done_.data<std::int32_t>(); }
  /// The step at which a network diverged, counted from 1; 0 while it has not.
  std::int64_t diverged_at(std::int64_t network) const { return diverged_at_.data<std::int32_t>()[network]; }
  /// Tensor i of the space, [networks, taps, axes…]: features with one channel.
  const std::vector<Tensor>& weights() const { return weights_; }
  const std::vector<TrainingRecipe>& recipes() const { return recipes_; }
  const TrainingPlan& plan() const { return plan_; }

  /// Mean loss and accuracy of every network on all items, or on its own share of the training items.
  std::vector<Score> evaluate(const Dataset& data) const;
  std::vector<Score> evaluate_share() const;

  /// Views of all that a continuation needs, for save_safetensors: "weights.W1" …, the optimisers' "first.W1",
  /// "second.W1" …, "epochs_done", "diverged_at".
  std::vector<NamedTensor> state() const;
  /// Goes on from such a state, of the same model, data, recipes and plan. Throws UsageError for a missing name,
  /// ShapeError or DtypeError for another shape or dtype.
  void resume(const SafeTensors& state);

 private:
  template <class T, class Pointer>
  std::span<Pointer> pointers(const std::vector<T>& tensors, std::int64_t network, Arena& arena) const;
  template <class Body>
  void each_network(const Body& body) const;
  std::vector<Score> evaluate(const Dataset& data, const std::vector<std::vector<std::int32_t>>& items) const;
  std::vector<std::int32_t> order_of_epoch(std::int64_t network) const;
  Key key(const char* purpose, std::int64_t network) const;
  void train_network(std::int64_t network, Arena& arena);

  const PopulationModel& model_;
  const Dataset& train_;
  std::vector<TrainingRecipe> recipes_;
  TrainingPlan plan_;
  std::vector<Tensor> weights_, first_, second_;
  Tensor epochs_done_, diverged_at_;
  std::vector<std::vector<std::int32_t>> shares_;
  mutable std::vector<Arena> arenas_;  ///< one per thread
};

struct PopulationCheckpoint {
  int percent;  ///< of the epochs: 25, 50, 100
  std::vector<Score> train, test;
};

struct TrainingCallbacks {
  std::function<void(std::int64_t done, std::int64_t total)> progress;  ///< in networks x epochs
  std::function<void(const PopulationCheckpoint&)> checkpoint;
  std::function<void()> epoch;  ///< after each epoch and its checkpoint: the moment to save the state
};

/// Trains from where the trainer stands to the last epoch, with checkpoints after 25, 50 and 100 % of the epochs,
/// rounded up.
void train_population(PopulationTrainer& trainer, const Dataset& test, const TrainingCallbacks& callbacks);

}  // namespace weft
