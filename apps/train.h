#pragma once

#include <optional>

#include "weft/apps/command.h"
#include "weft/tasks/fit.h"

namespace weft::apps {

struct TrainOptions {
  std::string zoo{};
  std::optional<Zoo> opened{};  ///< the zoo, where it was to say which model is usual
  OutputOption out{};
  std::string task{};  ///< usual_task() when not given
  std::string model;
  Settings settings, fit;  ///< of the model, of its training
  int split = 0;
  std::string checkpoint{};         ///< see chosen_checkpoint()
  std::int64_t train_networks = 0;  ///< of the split's training networks only the first; 0: all
};

/// Trains a model on a zoo and writes its folder (apps/run_folder.h); a run that was interrupted goes on with the
/// same bits. Prints what it costs before the first step.
int train(TrainOptions options, const Common& common);

}  // namespace weft::apps
