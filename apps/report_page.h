#pragma once
// The report: one self-contained HTML page with inline SVG.

#include <string>
#include <vector>

#include "weft/apps/pictures.h"
#include "weft/tasks/fit.h"
#include "weft/tasks/verify.h"

namespace weft::apps {

/// Which networks a model is judged on.
struct JudgedOn {
  int split = 0;
  std::string checkpoint{}, zoo{};  ///< chosen_checkpoint(), Zoo::hash()
  /// What is wrong with the choice, in a sentence; empty where no network took part in the model's training.
  std::string warning{};
};

/// What `weft eval` finds out about one model on one part of a zoo.
struct Judged {
  JudgedOn on{};
  std::string task = tasks().front()->name;
  std::uint64_t seed = 0;  ///< of the elements
  std::vector<std::int64_t> ids{};
  std::vector<double> truth{};
  std::vector<std::string> columns{};            ///< "as they are", "k = 0", …
  std::vector<std::vector<double>> predicted{};  ///< per column, one per network
  std::vector<double> score{};  ///< per column, by the task's metric; NaN of too few networks, here and below
  double ceiling = 0;           ///< where the metric has one, by ties among the true numbers
  /// Tau among networks whose true accuracy is above a bound, of models that predict it.
  struct Above {
    double accuracy;
    std::int64_t networks;
    std::vector<double> tau;  ///< per column
  };
  std::vector<Above> above{};
};

/// One trained model.
struct ReportRun {
  std::string task = tasks().front()->name, model{}, folder{};
  std::string own_settings{};  ///< of the model: "hidden 500"
  std::string settings{};      ///< all but the split, and the checkpoint it was judged on: equal ones are averaged
  int split = 0;
  std::int64_t parameters = 0, best_epoch = 0;
  double train_seconds = 0, step_milliseconds = 0, step_gflop = 0, peak_mib = 0;
  std::vector<Trainer::Epoch> log{};
  Judged judged{};
  std::vector<VerifyRow> verified{};
};

/// Pictures of what implicit networks show.
struct ReportPictures {
  std::string title;
  std::vector<PictureRow> rows;
};

struct Report {
  std::string title;
  std::vector<std::pair<std::string, std::string>> zoo;  ///< facts: "networks", "300"
  std::vector<double> accuracies;                        ///< of the last checkpoints
  std::vector<double> psnr;                              ///< the same of implicit networks
  std::vector<ReportPictures> pictures;
  std::vector<ReportRun> runs;
  std::vector<std::pair<std::string, double>> seconds;  ///< of the parts of a demo
};

/// What the stars behind models stand for: the warnings of their judgements, a line each.
std::vector<std::string> warnings(const std::vector<ReportRun>& runs);

std::string report_page(const Report& report);

/// The metric of the runs' task per model and column, a table a metric, and tau among better networks, as text: mean ±
/// standard deviation where a model has several splits. Those judged with a warning stand apart, with a star and the
/// warning below.
std::string score_tables(const std::vector<ReportRun>& runs);

}  // namespace weft::apps
