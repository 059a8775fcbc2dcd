#pragma once
// Training of many networks of one architecture, each by its own recipe. Networks are independent of each other: on the
// CPU one thread takes one network through a whole epoch, so that its weights, gradient and optimiser's state stay in
// cache; a device takes many of them at once (networks/population/device_population.h).

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "weft/io/safetensors.h"
#include "weft/networks/population/population_draws.h"

namespace weft {

class DevicePopulation;

/// After any epoch the state is complete: resumed from it, training gives the same bytes as without the break. Start
/// values, shares, orders and dropout are drawn (networks/population/population_draws.h), never kept. The result
/// depends on model, data, recipes, plan and device alone, not on the number of threads; a device's is the CPU's up to
/// rounding.
class PopulationTrainer {
 public:
  /// Draws the start values. With held-out items, the weights of every network after the epoch that had the highest
  /// accuracy on them, of several the first, are kept too. Model, data and backend must outlive this; a null backend is
  /// the CPU. Throws what model.check() throws, UsageError for a recipe or plan out of range, and DeviceError.
  PopulationTrainer(const PopulationModel& model, const Dataset& train, const std::vector<TrainingRecipe>& recipes,
                    const TrainingPlan& plan, const Dataset* held_out = nullptr, Backend* backend = nullptr);
  ~PopulationTrainer();
  PopulationTrainer(const PopulationTrainer&) = delete;
  PopulationTrainer& operator=(const PopulationTrainer&) = delete;

  /// One epoch of every network that has not diverged: as many items as the training data has, in mini-batches, the
  /// last one as large as what is left. All networks take the same number of steps; one with a smaller share passes
  /// over it more often. A network diverges when its loss or gradient is no finite number or the gradient's norm
  /// exceeds 1e15; it keeps the weights from before that step from then on. `progress(networks done)` is called on the
  /// calling thread, now and then. When it throws, or memory runs out, the epoch is half done: the trainer then goes on
  /// from resume() only. Throws UsageError after such an end, and after the last epoch.
  void train_epoch(const std::function<void(std::int64_t)>& progress = {});

  std::int64_t networks() const { return draws_.networks(); }
  std::int64_t epochs_done() const { return *epochs_done_.data<std::int32_t>(); }
  /// The step at which a network diverged, counted from 1; 0 while it has not.
  std::int64_t diverged_at(std::int64_t network) const { return diverged_at_.data<std::int32_t>()[network]; }
  /// Tensor i of the space, [networks, taps, axes…]: features with one channel.
  const std::vector<Tensor>& weights() const { return weights_; }
  bool implicit() const { return model_.implicit(); }
  bool keeps_best() const { return held_out_ != nullptr; }
  const std::vector<Tensor>& best_weights() const { return best_; }
  std::int64_t best_epoch(std::int64_t network) const { return best_epoch_.data<std::int32_t>()[network]; }
  const std::vector<TrainingRecipe>& recipes() const { return draws_.recipes(); }
  const TrainingPlan& plan() const { return draws_.plan(); }

  /// Mean loss and accuracy of every network on all items, or on its own share of the training items.
  std::vector<Score> evaluate(const Dataset& data) const;
  std::vector<Score> evaluate_share() const;
  std::vector<Score> evaluate_best(const Dataset& data) const;

  /// Why steps are launched one by one on a device; empty where they are replayed from a recording, and on the CPU.
  std::string fallback() const;

  /// Views of all that a continuation needs, for save_safetensors: "weights.W1" …, the optimisers' "first.W1",
  /// "second.W1" …, "epochs_done", "diverged_at", and of the best epochs "best.W1" …, "best_epoch", "best_accuracy".
  std::vector<NamedTensor> state() const;
  /// Goes on from such a state, of the same model, data, recipes and plan. Throws FormatError for a missing name or for
  /// numbers that no training leaves there, ShapeError or DtypeError for another shape or dtype; nothing is changed
  /// then.
  void resume(const SafeTensors& state);

 private:
  template <class T, class Pointer>
  std::span<Pointer> pointers(const std::vector<T>& tensors, std::int64_t network, Arena& arena) const;
  template <class Body>
  void each_network(const Body& body) const;
  std::vector<Score> evaluate(const std::vector<Tensor>& weights, const Dataset& data, const ItemLists& items) const;
  void keep_best();
  void check_numbers(const SafeTensors& state) const;
  /// order: of the items in this epoch.
  void train_network(std::int64_t network, std::span<const std::int32_t> order, Arena& arena);

  const PopulationModel& model_;
  const Dataset& train_;
  PopulationDraws draws_;
  const Dataset* held_out_;
  std::vector<Tensor> weights_, first_, second_, best_;
  Tensor epochs_done_, diverged_at_, best_epoch_, best_accuracy_;
  bool half_done_ = false;                    ///< the epoch: it began and did not end
  mutable std::vector<Arena> arenas_;         ///< one per thread
  std::unique_ptr<DevicePopulation> device_;  ///< null: the CPU
};

struct PopulationCheckpoint {
  bool best;                       ///< every network as it was after its best epoch
  int percent;                     ///< else: of the epochs
  std::vector<Score> train, test;  ///< train: on its share; none for the best, nor for implicit networks
};

struct TrainingCallbacks {
  std::function<void(std::int64_t done, std::int64_t total)> progress;  ///< in networks x epochs
  std::function<void(const PopulationCheckpoint&)> checkpoint;
  std::function<void()> epoch;  ///< after each epoch and its checkpoint: the moment to save the state
};

/// The percent of the epochs whose checkpoint falls due after an epoch: where several fall on it, the largest.
std::optional<int> checkpoint_after(const TrainingPlan& plan, std::int64_t epoch);

/// Trains from where the trainer stands to the last epoch, with checkpoints after the plan's percents of the epochs.
/// Last comes the checkpoint of the best epochs, if they are kept. Implicit networks are tested on all pixels of their
/// own images: `test` is what they are trained on.
void train_population(PopulationTrainer& trainer, const Dataset& test, const TrainingCallbacks& callbacks);

}  // namespace weft
