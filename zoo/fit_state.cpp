// What continues a training: Fit::state() and Fit::resume().

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
  auto fitting = [&](const char* name, const Tensor& like) {
    const Tensor t = tensor(name);
    if (!(t.shape() == like.shape()) || t.dtype() != like.dtype())
      throw FormatError("[fit] '{}' is {} of shape {}; allowed: {} of shape {}. Was it written for another model?",
                        name, weft::name(t.dtype()), t.shape().str(), weft::name(like.dtype()), like.shape().str());
    return t;
  };
  const Tensor values = fitting("fit.values", best_values_), best = fitting("fit.best_values", best_values_);
  const Tensor adam = fitting("fit.adam", adam_.state()),
               counts = fitting("fit.counts", Tensor::zeros({2}, DType::f64));
  const Tensor log = tensor("fit.log");
  if (log.dtype() != DType::f64 || log.rank() != 2 || log.dim(1) != 3)
    throw FormatError("[fit] 'fit.log' is {} of shape {}; allowed: float64 of shape [epochs, 3]", name(log.dtype()),
                      log.shape().str());
  model_.parameters().flat_values().copy_from(values);
  model_.parameters().changed();
  best_values_.copy_from(best);
  adam_.resume(adam, static_cast<std::int64_t>(counts.data<double>()[0]));
  best_epoch_ = static_cast<std::int64_t>(counts.data<double>()[1]);
  log_.clear();
  for (std::int64_t i = 0; i < log.dim(0); ++i) {
    const double* row = log.data<double>() + 3 * i;
    log_.push_back({i + 1, row[0], row[1], row[2]});
  }
}

}  // namespace weft
