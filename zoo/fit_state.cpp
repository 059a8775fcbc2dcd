// What continues a training: Fit::state() and Fit::resume().

#include <algorithm>
#include <cmath>

#include "weft/zoo/fit.h"

namespace weft {

std::vector<std::pair<std::string, Tensor>> Fit::state() const {
  const auto rows = static_cast<std::int64_t>(log_.size());
  const Tensor log = Tensor::zeros({rows, 3}, DType::f64), counts = Tensor::zeros({2}, DType::f64);
  for (std::int64_t i = 0; i < rows; ++i) {
    const FitEpoch& row = log_[static_cast<std::size_t>(i)];
    double* to = log.data<double>() + 3 * i;
    to[0] = row.train_loss;
    to[1] = row.validation_loss;
    to[2] = row.validation_tau;
  }
  counts.data<double>()[0] = static_cast<double>(adam_.steps());
  counts.data<double>()[1] = static_cast<double>(best_epoch_);
  return {{"fit.values", model_.parameters().flat_values().placed_on(nullptr)},
          {"fit.best_values", best_values_.placed_on(nullptr)},
          {"fit.adam", adam_.state().placed_on(nullptr)},
          {"fit.log", log},
          {"fit.counts", counts}};
}

void Fit::resume(const std::function<Tensor(const std::string&)>& tensor) {
  const auto finite = [](const char* name, const Tensor& t) {
    with_float(t.dtype(), "fit", [&](auto tag) {
      for (const auto x : t.span<decltype(tag)>())
        if (!std::isfinite(x)) throw FormatError("[fit] '{}' holds {}; the file is damaged", name, x);
    });
  };
  const auto fitting = [&](const char* name, const Tensor& like) {
    const Tensor t = tensor(name);
    if (!(t.shape() == like.shape()) || t.dtype() != like.dtype())
      throw FormatError("[fit] '{}' is {} of shape {}; allowed: {} of shape {}. Was it written for another model?",
                        name, weft::name(t.dtype()), t.shape().str(), weft::name(like.dtype()), like.shape().str());
    finite(name, t);
    return t;
  };
  const Tensor values = fitting("fit.values", best_values_), best = fitting("fit.best_values", best_values_);
  const Tensor adam = fitting("fit.adam", adam_.state()),
               counts = fitting("fit.counts", Tensor::zeros({2}, DType::f64));
  const Tensor table = tensor("fit.log");
  if (table.dtype() != DType::f64 || table.rank() != 2 || table.dim(1) != 3 || table.dim(0) > config_.epochs)
    throw FormatError("[fit] 'fit.log' is {} of shape {}; allowed: float64 of shape [epochs, 3], at most {} epochs",
                      name(table.dtype()), table.shape().str(), config_.epochs);
  finite("fit.log", table);
  std::vector<FitEpoch> log;
  std::int64_t best_epoch = 0;
  for (std::int64_t i = 0; i < table.dim(0); ++i) {
    const double* row = table.data<double>() + 3 * i;
    log.push_back({i + 1, row[0], row[1], row[2]});
    if (is_best(log.back(), log, best_epoch)) best_epoch = i + 1;
  }
  // Both follow from the log: a file in which they do not is damaged.
  const double steps = counts.data<double>()[0],
               expected_steps = static_cast<double>(std::ssize(log) * steps_per_epoch());
  if (steps != expected_steps)
    throw FormatError("[fit] 'fit.counts' has {} steps; allowed: {}, those of {} epochs", steps, expected_steps,
                      log.size());
  if (counts.data<double>()[1] != static_cast<double>(best_epoch))
    throw FormatError("[fit] 'fit.counts' has {} as the best epoch; allowed: {}, the best one of 'fit.log'",
                      counts.data<double>()[1], best_epoch);

  model_.parameters().flat_values().copy_from(values);
  model_.parameters().changed();
  best_values_.copy_from(best);
  adam_.resume(adam, std::ssize(log) * steps_per_epoch());
  best_epoch_ = best_epoch;
  log_ = std::move(log);
}

}  // namespace weft
