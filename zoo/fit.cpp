#include "weft/zoo/fit.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>

#include "weft/core/loop.h"
#include "weft/core/told.h"
#include "weft/nn/loss_sum_bodies.h"
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

/// An accuracy outside [0, 1] would train a model on nonsense, a NaN spoil it.
void check_targets(const char* part, const Tensor& target) {
  const std::vector<double> all = targets(target);
  const auto wrong = std::find_if_not(all.begin(), all.end(), [](double x) { return 0 <= x && x <= 1; });
  if (wrong != all.end())
    throw UsageError("[fit] target {} of the {} networks is {}; allowed: 0 to 1", wrong - all.begin(), part, *wrong);
}

/// Of the first n networks. What is on the tape goes.
std::vector<double> logits_of(const AccuracyModel& model, std::span<const Tensor> prepared, std::int64_t n,
                              Tape& tape) {
  Backend* backend = model.parameters().backend();
  tape.reset();
  const NoGrad no_grad(tape);
  std::vector<double> logits;
  for (std::int64_t begin = 0; begin < n; begin += judged_at_once) {
    std::vector<Tensor> some;
    for (const Tensor& t : prepared)
      some.push_back(t.slice(begin, std::min(n, begin + judged_at_once)).placed_on(backend));
    const Tensor out = model.forward(tape, some).value().placed_on(nullptr).to(DType::f64);
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
  config.permute_fixed = true;
  return config;
}

Fit::Fit(AccuracyModel& model, const FitConfig& config, Examples train, Examples validation)
    : model_(model),
      config_(config),
      train_(std::move(train)),
      validation_(std::move(validation)),
      adam_(model.parameters(), UpdateRule::adam()),
      arena_(memory_of(model.parameters().backend())),
      tape_(arena_),
      loss_sum_(Tensor::zeros({1}, DType::f64, model.parameters().backend())),
      best_values_(model.parameters().flat_values().clone()),
      whole_(model.parameters().backend()),
      rest_(model.parameters().backend()) {
  if (config.batch < 1 || config.epochs < 1 || config.patience < 1 || !(config.learning_rate > 0) ||
      !std::isfinite(config.learning_rate))
    throw UsageError("[fit] batch {}, epochs {}, patience {}, learning rate {}; allowed: positive ones", config.batch,
                     config.epochs, config.patience, config.learning_rate);
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  if (config.epochs > most)
    throw UsageError("[fit] {} epochs; allowed: at most {}, for their steps have 64-bit numbers", config.epochs, most);
  if (config.warmup < 0 || config.warmup > config.epochs)
    throw UsageError("[fit] warm-up of {} epochs; allowed: 0 to the {} of the training", config.warmup, config.epochs);
  if (train_.count() == 0 || validation_.count() == 0)
    throw UsageError("[fit] {} networks to train on, {} to validate on; allowed: 1 or more of each", train_.count(),
                     validation_.count());
  check_targets("training", train_.target);
  check_targets("validation", validation_.target);
  config_.batch = std::min(config.batch, train_.count());  // a larger one is one step over all
  Backend* backend = model.parameters().backend();
  networks_ = Tensor::zeros({config_.batch}, DType::i32, backend);
  order_ = Tensor::zeros({train_.count()}, DType::i32, backend);
  for (Examples* examples : {&train_, &validation_})
    for (Tensor& t : examples->prepared) t = t.placed_on(backend);
  train_.target = train_.target.placed_on(backend);
  if (!config.permute_fixed) return;
  for (const FixedAxis& axis : model.fixed_axes())
    permuted_.push_back({axis, Tensor::zeros({steps_per_epoch(), axis.size}, DType::i32, backend),
                         Tensor::zeros({axis.size}, DType::i32, backend)});
  if (permuted_.empty())
    throw UsageError(
        "[fit] permuted axes: a '{}' model of this space has none that its layers take as fixed; train without",
        model.config().kind);
}

double Fit::learning_rate(std::int64_t step) const {
  if (config_.warmup == 0) return config_.learning_rate;
  const std::int64_t steps = steps_per_epoch();
  return WarmupCosine{config_.learning_rate, std::min(lowest_rate, config_.learning_rate), config_.warmup * steps,
                      config_.epochs * steps}(step);
}

void Fit::place(const Tensor& networks) { networks_.slice(0, networks.numel()).copy_from(networks); }

void Fit::draw_epoch(std::int64_t epoch) {
  const auto number = static_cast<std::uint64_t>(epoch);
  fill_permutation(order_, Key(config_.seed, "order").at(number), arena_);
  for (std::size_t i = 0; i < permuted_.size(); ++i) {
    const Key key = Key(config_.seed, "fixed axes").at(i).at(number);
    for (std::int64_t step = 0; step < steps_per_epoch(); ++step)
      fill_permutation(permuted_[i].drawn[step], key.at(static_cast<std::uint64_t>(step)), arena_);
  }
}

Var Fit::backward(std::int64_t count) {
  const Tensor networks = networks_.slice(0, count);
  const auto picked = [&](const Tensor& t) { return gather(tape_.constant(t), 0, networks).value(); };
  const std::span<Tensor> batch(tape_.host().allocate_array<Tensor>(train_.prepared.size()), train_.prepared.size());
  for (std::size_t i = 0; i < batch.size(); ++i) new (&batch[i]) Tensor(picked(train_.prepared[i]));
  for (const Permuted& p : permuted_)
    for (const auto& [tensor, axis] : p.axis.places) {
      Tensor& t = batch[static_cast<std::size_t>(tensor)];
      t = gather(tape_.constant(t), axis + 2, p.now).value();  // behind the batch and the channels
    }
  const Var logits = model_.forward(tape_, batch);
  const Var loss = mean_all(binary_cross_entropy_with_logits(logits, picked(train_.target)));
  tape_.backward(loss);
  return loss;
}

double Fit::seconds_of_step(std::int64_t count) {
  logits_of(model_, validation_.prepared, std::min(judged_at_once, validation_.count()), tape_);  // for its memory
  const Tensor first = Tensor::zeros({count}, DType::i32);
  std::iota(first.span<std::int32_t>().begin(), first.span<std::int32_t>().end(), 0);
  const auto start = std::chrono::steady_clock::now();
  place(first);
  backward(count);
  tape_.reset();
  if (Backend* backend = arena_.backend()) backend->synchronise();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::int64_t Fit::batch_that_fits() {
  std::int64_t fits = 0, fails = networks_.numel();
  while (fails - fits > 1) {
    const std::int64_t n = fits + (fails - fits) / 2;
    tape_.reset();
    arena_ = Arena(memory_of(arena_.backend()));
    try {
      seconds_of_step(n);
      fits = n;
    } catch (const OutOfDeviceMemory&) {
      fails = n;
    }
  }
  return fits;
}

Fit::Cost Fit::try_step() {
  double seconds = 0;
  try {
    for (int i = 0; i < 2; ++i) seconds = seconds_of_step(networks_.numel());  // the first touches the memory
  } catch (const OutOfDeviceMemory& full) {
    const std::int64_t fits = batch_that_fits();
    throw OutOfDeviceMemory(
        full.device, full.asked, full.memory,
        fits > 0 ? fmt::format("a batch of {} networks fits", fits) : "not one network fits; take a smaller model");
  }
  const Parameters& p = model_.parameters();
  std::size_t bytes = 2 * p.flat_values().bytes() + adam_.state().bytes() + arena_.peak();
  if (arena_.backend())
    for (const Examples* examples : {&train_, &validation_})
      for (const Tensor& t : examples->prepared) bytes += t.bytes();
  return {seconds, bytes};
}

std::vector<std::string> Fit::fallbacks() const {
  std::vector<std::string> all = model_.fallbacks();
  for (const StepRecorder* recorder : {&whole_, &rest_})
    if (!recorder->refusal().empty())
      all.push_back(fmt::format("steps of {} batches are launched one by one: {}",
                                recorder == &whole_ ? "whole" : "smaller", recorder->refusal()));
  return all;
}

bool Fit::done() const {
  const auto epochs = static_cast<std::int64_t>(log_.size());
  return epochs >= config_.epochs || (epochs > 0 && epochs - best_epoch_ >= config_.patience);
}

const FitEpoch& Fit::run_epoch(const std::function<void(std::int64_t, std::int64_t)>& on_step) {
  const auto epoch = static_cast<std::int64_t>(log_.size()) + 1;
  Backend* backend = arena_.backend();
  tape_.reset();
  draw_epoch(epoch);
  loss_sum_.fill(0);
  std::int64_t step = 0, n = 0;
  const std::function<void()> work = [&] {
    tape_.reset();
    const Var loss = backward(n);
    with_float(loss.dtype(), "fit", [&](auto tag) {
      using T = decltype(tag);
      const T* value = loss.value().template address<T>();
      if (!backend && !std::isfinite(*value))
        throw NumericError("[fit] the loss of epoch {}, step {} is {}; lower the learning rate ({})", epoch, step + 1,
                           told(*value), config_.learning_rate);
      loop(backend, 1, 1, AddLoss<T>{value, loss_sum_.address<double>(), static_cast<double>(n)});
    });
    adam_.update();
  };
  for (; step < steps_per_epoch(); ++step) {
    n = std::min(config_.batch, train_.count() - step * config_.batch);
    place(order_.slice(step * config_.batch, step * config_.batch + n));
    for (const Permuted& p : permuted_) p.now.copy_from(p.drawn[step]);
    adam_.begin_step(learning_rate(adam_.steps()));
    (n == config_.batch ? whole_ : rest_).run(work);
    if (on_step) on_step(step + 1, steps_per_epoch());
  }
  tape_.reset();
  adam_.check();
  const double sum = loss_sum_.placed_on(nullptr).span<double>()[0];
  if (!std::isfinite(sum))
    throw NumericError("[fit] the mean loss of epoch {} is {}; lower the learning rate ({})", epoch, told(sum),
                       config_.learning_rate);
  const std::vector<double> logits = logits_of(model_, validation_.prepared, validation_.count(), tape_);
  if (!std::all_of(logits.begin(), logits.end(), [](double z) { return std::isfinite(z); }))
    throw NumericError("[fit] after epoch {} the predictions are not finite; lower the learning rate ({})", epoch,
                       config_.learning_rate);
  const FitEpoch row{epoch, sum / static_cast<double>(train_.count()), mean_loss(logits, validation_.target),
                     kendall_tau_b(logits, targets(validation_.target))};
  if (is_best(row, log_, best_epoch_)) {
    best_epoch_ = epoch;
    best_values_.copy_from(model_.parameters().flat_values());
  }
  log_.push_back(row);
  return log_.back();
}

bool Fit::is_best(const FitEpoch& row, const std::vector<FitEpoch>& log, std::int64_t best_epoch) {
  return best_epoch == 0 || row.validation_tau > log[static_cast<std::size_t>(best_epoch - 1)].validation_tau;
}

void Fit::take_best() {
  model_.parameters().flat_values().copy_from(best_values_);
  model_.parameters().changed();
}

std::vector<double> predict_logits(const AccuracyModel& model, std::span<const Tensor> prepared,
                                   std::span<const std::int64_t> ids) {
  Arena arena(memory_of(model.parameters().backend()));
  Tape tape(arena);
  std::vector<double> logits = logits_of(model, prepared, prepared.empty() ? 0 : prepared[0].dim(0), tape);
  for (std::size_t i = 0; i < logits.size(); ++i)
    if (!std::isfinite(logits[i]))
      throw NumericError(
          "[predict] the prediction for network {} is {}; are its weights of the size that the model was trained on?",
          ids.empty() ? static_cast<std::int64_t>(i) : ids[i], told(logits[i]));
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
                                   std::span<const std::int64_t> numbers, int strength, std::uint64_t seed) {
  std::vector<Tensor> moved;
  for (const Tensor& w : weights) moved.push_back(w.clone());
  const double reach = std::pow(10., strength);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const Key key =
        Key(seed, "moved").at(static_cast<std::uint64_t>(numbers[i])).at(static_cast<std::uint64_t>(strength));
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
