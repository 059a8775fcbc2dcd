#pragma once
// A zoo of small CNNs, from data to disk.

#include <functional>

#include "weft/zoo/cnn_population.h"
#include "weft/zoo/population_trainer.h"
#include "weft/zoo/store.h"

namespace weft {

struct CnnZooPlan {
  std::int64_t networks = 300;
  UnaryOp activation = UnaryOp::Relu;  ///< or Tanh
  TrainingPlan training{};             ///< its seed is the zoo's
  RecipeRanges ranges{};
  std::string generator{};  ///< "weft 0.1.0"
};

struct ZooProgress {
  std::function<void(std::int64_t done, std::int64_t total)> training;  ///< in networks x epochs
  /// Called after every epoch, when its state is safe: the moment to stop. May throw.
  std::function<void()> safe_point;
};

/// Trains the networks (three 3x3 convolutions with stride 2 and 16 channels, mean, dense layer) on images of any size
/// that the convolutions leave something of, and writes checkpoints after 25, 50 and 100 % of the epochs. With
/// Existing::resume it goes on where a killed run stopped and ends with the same bytes. Throws what ZooWriter,
/// CnnPopulation and PopulationTrainer throw.
void make_cnn_zoo(const std::filesystem::path& folder, const Dataset& train, const Dataset& test,
                  const CnnZooPlan& plan, ZooWriter::Existing existing, const ZooProgress& progress = {});

}  // namespace weft
