#include "weft/zoo/fit.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "weft/nn/losses.h"
#include "weft/nn/metrics.h"
#include "weft/nn/schedule.h"
#include "weft/ops/act.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

constexpr std::int64_t judged_at_once = 64;
constexpr double lowest_rate = 1e-5;  // of a cosine

std::vector<double> targets(const Tensor& t) {
  const Tensor wide = t.to(DType::f64);
  return {wide.span<double>().begin(), wide.span<double>().end()};
}

/// Rows of t, in the step's arena.
Tensor picked(Tape& tape, const Tensor& t, std::span<const std::int32_t> rows) {
  Shape shape = t.shape().sub(1, t.rank());
  Shape out{static_cast<std::int64_t>(rows.size())};
  for (auto size : shape.sizes()) out.push_back(size);
  const Tensor y = tape.empty(out, t.dtype());
  const std::size_t bytes = t.dim(0) ? t.bytes() / static_cast<std::size_t>(t.dim(0)) : 0;
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::memcpy(static_cast<std::byte*>(y.raw()) + i * bytes,
                static_cast<const std::byte*>(t.raw()) + static_cast<std::size_t>(rows[i]) * bytes, bytes);
  return y;
}

std::vector<double> logits_of(const AccuracyModel& model, std::span<const Tensor> prepared) {
  const std::int64_t n = prepared.empty() ? 0 : prepared[0].dim(0);
  Arena arena;
  Tape tape(arena);
  const NoGrad no_grad(tape);
  std::vector<double> logits;
  for (std::int64_t begin = 0; begin < n; begin += judged_at_once) {
    std::vector<Tensor> some;
    for (const Tensor& t : prepared) some.push_back(t.slice(begin, std::min(n, begin + judged_at_once)));
    const Tensor out = model.forward(tape, some).value().to(DType::f64);
    logits.insert(logits.end(), out.span<double>().begin(), out.span<double>().end());
    tape.reset();
  }
  return logits;
}

}  // namespace

FitConfig default_fit(const std::string& kind) {
  if (kind != "transformer-nfn") return {};
  FitConfig config;
  config.batch = 16;
  config.patience = config.epochs;
  config.warmup = 10;
  return config;
}

Fit::Fit(AccuracyModel& model, const FitConfig& config, Examples train, Examples validation)
    : model_(model),
      config_(config),
      train_(std::move(train)),
      validation_(std::move(validation)),
      adam_(model.parameters(), UpdateRule::adam()),
      tape_(arena_),
      best_values_(model.parameters().flat_values().clone()) {
  if (config.batch < 1 || config.epochs < 1 || config.patience < 1 || !(config.learning_rate > 0) ||
      !std::isfinite(config.learning_rate))
    throw UsageError("[fit] batch {}, epochs {}, patience {}, learning rate {}; allowed: positive ones", config.batch,
                     config.epochs, config.patience, config.learning_rate);
  if (config.warmup < 0 || config.warmup > config.epochs)
    throw UsageError("[fit] warm-up of {} epochs; allowed: 0 to the {} of the training", config.warmup, config.epochs);
  if (train_.count() == 0 || validation_.count() == 0)
    throw UsageError("[fit] {} networks to train on, {} to validate on; allowed: 1 or more of each", train_.count(),
                     validation_.count());
}

double Fit::learning_rate(std::int64_t step) const {
  if (config_.warmup == 0) return config_.learning_rate;
  const std::int64_t steps = steps_per_epoch();
  return WarmupCosine{config_.learning_rate, std::min(lowest_rate, config_.learning_rate), config_.warmup * steps,
                      config_.epochs * steps}(step);
}

double Fit::backward(std::span<const std::int32_t> order) {
  const std::span<Tensor> batch(tape_.arena().allocate_array<Tensor>(train_.prepared.size()), train_.prepared.size());
  for (std::size_t i = 0; i < batch.size(); ++i) new (&batch[i]) Tensor(picked(tape_, train_.prepared[i], order));
  const Var logits = model_.forward(tape_, batch);
  const Var loss = mean_all(binary_cross_entropy_with_logits(logits, picked(tape_, train_.target, order)));
  tape_.backward(loss);
  return with_float(loss.dtype(), "fit",
                    [&](auto tag) { return static_cast<double>(loss.value().template data<decltype(tag)>()[0]); });
}

Fit::Cost Fit::try_step() {
  std::vector<std::int32_t> order(static_cast<std::size_t>(std::min(config_.batch, train_.count())));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
  double seconds = 0;
  for (int i = 0; i < 2; ++i) {  // the first touches the memory
    const auto start = std::chrono::steady_clock::now();
    backward(order);
    tape_.reset();
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  const Parameters& p = model_.parameters();
  return {seconds, 2 * p.flat_values().bytes() + adam_.state().bytes() + arena_.peak()};
}

bool Fit::done() const {
  const auto epochs = static_cast<std::int64_t>(log_.size());
  return epochs >= config_.epochs || (epochs > 0 && epochs - best_epoch_ >= config_.patience);
}

const FitEpoch& Fit::run_epoch(const std::function<void(std::int64_t, std::int64_t)>& on_step) {
  const auto epoch = static_cast<std::int64_t>(log_.size()) + 1;
  const auto order = permutation(train_.count(), Key(config_.seed, "order").at(static_cast<std::uint64_t>(epoch)));
  double sum = 0;
  for (std::int64_t step = 0; step < steps_per_epoch(); ++step) {
    const auto begin = static_cast<std::size_t>(step * config_.batch);
    const auto n = std::min(static_cast<std::size_t>(config_.batch), order.size() - begin);
    const double loss = backward(std::span(order).subspan(begin, n));
    if (!std::isfinite(loss))
      throw NumericError("[fit] the loss of epoch {}, step {} is {}; lower the learning rate ({})", epoch, step + 1,
                         loss, config_.learning_rate);
    adam_.step(learning_rate(adam_.steps()));
    tape_.reset();
    sum += loss * static_cast<double>(n);
    if (on_step) on_step(step + 1, steps_per_epoch());
  }
  const std::vector<double> logits = logits_of(model_, validation_.prepared);
  if (!std::all_of(logits.begin(), logits.end(), [](double z) { return std::isfinite(z); }))
    throw NumericError("[fit] after epoch {} the predictions are not finite; lower the learning rate ({})", epoch,
                       config_.learning_rate);
  const FitEpoch row{epoch, sum / static_cast<double>(train_.count()), mean_loss(logits, validation_.target),
                     kendall_tau_b(logits, targets(validation_.target))};
  if (best_epoch_ == 0 || row.validation_tau > log_[static_cast<std::size_t>(best_epoch_ - 1)].validation_tau) {
    best_epoch_ = epoch;
    best_values_.copy_from(model_.parameters().flat_values());
  }
  log_.push_back(row);
  return log_.back();
}

void Fit::take_best() {
  model_.parameters().flat_values().copy_from(best_values_);
  model_.parameters().changed();
}

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
  return {{"fit.values", model_.parameters().flat_values()},
          {"fit.best_values", best_values_},
          {"fit.adam", adam_.state()},
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

std::vector<double> predict_logits(const AccuracyModel& model, std::span<const Tensor> prepared,
                                   std::span<const std::int64_t> ids) {
  std::vector<double> logits = logits_of(model, prepared);
  for (std::size_t i = 0; i < logits.size(); ++i)
    if (!std::isfinite(logits[i]))
      throw NumericError(
          "[predict] the prediction for network {} is {}; are its weights of the size that the model was trained on?",
          ids.empty() ? static_cast<std::int64_t>(i) : ids[i], logits[i]);
  return logits;
}

double sigmoid(double logit) { return 1 / (1 + std::exp(-logit)); }

double mean_loss(std::span<const double> logits, const Tensor& target) {
  const auto t = targets(target);
  double sum = 0;
  for (std::size_t i = 0; i < t.size(); ++i) {
    const double z = logits[i];
    sum += std::max(z, 0.) - z * t[i] + std::log1p(std::exp(-std::abs(z)));
  }
  return t.empty() ? 0 : sum / static_cast<double>(t.size());
}

std::vector<Tensor> moved_networks(const Space& space, std::span<const Tensor> weights,
                                   std::span<const std::int64_t> ids, int strength, std::uint64_t seed) {
  std::vector<Tensor> moved;
  for (const Tensor& w : weights) moved.push_back(w.clone());
  const double reach = std::pow(10., strength);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Key key = Key(seed, "moved").at(static_cast<std::uint64_t>(ids[i])).at(static_cast<std::uint64_t>(strength));
    const Element g = Element::random(space, key,
                                      {.scale_low = 1,
                                       .scale_high = reach,
                                       .condition = std::min(reach, 10.),
                                       .signs = strength > 0,
                                       .avoid_identity = false});
    const auto n = static_cast<std::int64_t>(i);
    for (std::size_t t = 0; t < moved.size(); ++t)
      moved[t].slice(n, n + 1).copy_from(act(g, static_cast<int>(t), weights[t].slice(n, n + 1)));
  }
  return moved;
}

}  // namespace weft
