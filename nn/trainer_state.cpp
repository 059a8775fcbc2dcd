// What continues a training: Trainer::state() and Trainer::resume().

#include <algorithm>
#include <cmath>

#include "weft/io/safetensors.h"
#include "weft/nn/trainer.h"

namespace weft {
namespace {

bool all_zeros(const Tensor& t) {
  return with_float(t.dtype(), "trainer", [&](auto tag) {
    return std::ranges::all_of(t.span<decltype(tag)>(), [](auto x) { return x == 0; });
  });
}

}  // namespace

std::vector<std::pair<std::string, Tensor>> Trainer::state() const {
  const auto rows = std::ssize(log_), columns = 1 + std::ssize(training_.metrics);
  const Tensor log = Tensor::zeros({rows, columns}, DType::f64), counts = Tensor::zeros({2}, DType::f64);
  for (std::int64_t i = 0; i < rows; ++i) {
    const Epoch& row = log_[static_cast<std::size_t>(i)];
    double* to = log.data<double>() + columns * i;
    to[0] = row.train_loss;
    std::ranges::copy(row.metrics, to + 1);
  }
  counts.data<double>()[0] = static_cast<double>(optimiser_.steps());
  counts.data<double>()[1] = static_cast<double>(best_epoch_);
  return {{"fit.values", model_.parameters().flat_values().placed_on(nullptr)},
          {"fit.best_values", best_values_.placed_on(nullptr)},
          {"fit.adam", optimiser_.state().placed_on(nullptr)},
          {"fit.log", log},
          {"fit.counts", counts}};
}

void Trainer::resume(const std::function<Tensor(const std::string&)>& tensor) {
  const auto finite = [](const char* name, const Tensor& t) {
    with_float(t.dtype(), "trainer", [&](auto tag) {
      for (const auto x : t.span<decltype(tag)>())
        if (!std::isfinite(x)) throw FormatError("[trainer] '{}' holds {}; the file is damaged", name, x);
    });
  };
  const auto fitting = [&](const char* name, const Tensor& like) {
    const Tensor t = tensor(name);
    if (!(t.shape() == like.shape()) || t.dtype() != like.dtype())
      throw FormatError("[trainer] '{}' is {} of shape {}; allowed: {} of shape {}. Was it written for another model?",
                        name, weft::name(t.dtype()), t.shape().str(), weft::name(like.dtype()), like.shape().str());
    finite(name, t);
    return t;
  };
  const Tensor values = fitting("fit.values", best_values_), best = fitting("fit.best_values", best_values_);
  const Tensor optimiser = fitting("fit.adam", optimiser_.state()),
               counts = fitting("fit.counts", Tensor::zeros({2}, DType::f64));
  const Tensor table = tensor("fit.log");
  const auto columns = 1 + std::ssize(training_.metrics);
  if (table.dtype() != DType::f64 || table.rank() != 2 || table.dim(1) != columns || table.dim(0) > config_.epochs)
    throw FormatError(
        "[trainer] 'fit.log' is {} of shape {}; allowed: float64 of shape [epochs, {}], at most {} epochs",
        name(table.dtype()), table.shape().str(), columns, config_.epochs);
  finite("fit.log", table);
  std::vector<Epoch> log;
  std::int64_t best_epoch = 0;
  for (std::int64_t i = 0; i < table.dim(0); ++i) {
    const double* row = table.data<double>() + columns * i;
    log.push_back({i + 1, row[0], {row + 1, row + columns}});
    if (is_best(log.back(), log, best_epoch)) best_epoch = i + 1;
  }
  // Both follow from the log: a file in which they do not is damaged.
  const double steps = counts.data<double>()[0];
  // A solved model has one epoch without steps, which leaves the optimiser as it began.
  const bool solved = training_.solve && steps == 0 && log.size() == 1 && all_zeros(optimiser);
  const std::int64_t of_log = solved ? 0 : std::ssize(log) * steps_per_epoch();
  const auto expected_steps = static_cast<double>(of_log);
  if (steps != expected_steps)
    throw FormatError("[trainer] 'fit.counts' has {} steps; allowed: {}, those of {} epochs", steps, expected_steps,
                      log.size());
  if (counts.data<double>()[1] != static_cast<double>(best_epoch))
    throw FormatError("[trainer] 'fit.counts' has {} as the best epoch; allowed: {}, the best one of 'fit.log'",
                      counts.data<double>()[1], best_epoch);

  model_.parameters().flat_values().copy_from(values);
  model_.parameters().changed();
  best_values_.copy_from(best);
  optimiser_.resume(optimiser, of_log);
  solved_ = solved;
  best_epoch_ = best_epoch;
  log_ = std::move(log);
}

void Trainer::save(const std::filesystem::path& path, const Metadata& metadata) const {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : state()) tensors.push_back({name, tensor});
  save_safetensors(path, tensors, metadata);
}

void Trainer::resume(const std::filesystem::path& path) {
  const SafeTensors file = SafeTensors::open(path);
  resume([&](const std::string& name) {
    if (!file.contains(name)) throw FormatError("[trainer] '{}': no '{}'", path.string(), name);
    return file.tensor(name);
  });
}

}  // namespace weft
