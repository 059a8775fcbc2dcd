#pragma once

#include "weft/apps/command.h"
#include "weft/tasks/fit.h"

namespace weft::apps {

struct TrainOptions {
  std::string zoo{};
  OutputOption out{};
  ModelConfig model{};
  FitConfig fit{};
  int split = 0;
  std::string checkpoint{};  ///< see chosen_checkpoint()
};

/// Trains one model on a zoo and writes its folder (apps/run_folder.h); a run that was interrupted goes on with the
/// same bits. Prints what it costs before the first step.
int train(const TrainOptions& options, const Common& common);

}  // namespace weft::apps
