#pragma once
// Zoos of small CNNs and of small transformers, from data to disk.

#include <functional>

#include "weft/networks/population/population_trainer.h"
#include "weft/networks/transformer/transformer_layers.h"
#include "weft/ops/pointwise_kernels.h"
#include "weft/zoo/store.h"

namespace weft {

struct CnnZooPlan {
  std::int64_t networks = 300;
  UnaryOp activation = UnaryOp::Relu;  ///< or Tanh
  TrainingPlan training{};             ///< its seed is the zoo's
  RecipeRanges ranges{};
  std::string generator{};     ///< "weft 0.1.0"
  Backend* backend = nullptr;  ///< where the networks are trained; null is the CPU
};

/// Checkpoints after 50, 75 and 100 % of the epochs, and of the best epoch.
struct TransformerZooPlan {
  std::int64_t networks = 300;
  std::int64_t held_out = 1000;  ///< the last training items, on which the best epoch is found: not trained on
  /// Its sizes; what they read follows from the data. pad_batch: 0 or the training's batch.
  TransformerArchitecture architecture{};
  TrainingPlan training{.epochs = 20, .batch = 128, .warmup_cosine = true, .percents = {50, 75, 100}};
  RecipeGrid grid{};
  std::string generator{};     ///< "weft 0.1.0"
  Backend* backend = nullptr;  ///< where the networks are trained; null is the CPU
};

struct ZooProgress {
  std::function<void(std::int64_t done)> begin{};  ///< once, with what an earlier run had done, in networks x epochs
  std::function<void(std::int64_t done, std::int64_t total)> training{};  ///< in networks x epochs
  /// Called after every epoch, when its state is safe: the moment to stop. May throw.
  std::function<void()> safe_point{};
  std::function<void(const std::string&)> remark{};  ///< once for each slow path that was taken, saying why
};

/// Trains the networks (three 3x3 convolutions with stride 2 and 16 channels, mean, dense layer) on images of any size
/// that the convolutions leave something of, and writes checkpoints after 25, 50 and 100 % of the epochs. With
/// Existing::resume it goes on where a killed run stopped and ends with the same bytes; on another kind of device it is
/// refused, as another description. Throws what ZooWriter, CnnPopulation and PopulationTrainer throw.
void make_cnn_zoo(const std::filesystem::path& folder, const Dataset& train, const Dataset& test,
                  const CnnZooPlan& plan, ZooWriter::Existing existing, const ZooProgress& progress = {});

/// The same for transformers on images or texts, after the protocol of spec 6.
void make_transformer_zoo(const std::filesystem::path& folder, const Dataset& train, const Dataset& test,
                          const TransformerZooPlan& plan, ZooWriter::Existing existing,
                          const ZooProgress& progress = {});

}  // namespace weft
