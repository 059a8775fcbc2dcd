#include "weft/nn/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/core/clock.h"
#include "weft/core/hash.h"
#include "weft/core/loop.h"
#include "weft/core/told.h"
#include "weft/nn/loss_sum_bodies.h"
#include "weft/ops/pointwise.h"

namespace weft {

Trainer::Trainer(const Module& model, TrainerConfig config, Training training)
    : model_(model),
      config_(std::move(config)),
      training_(std::move(training)),
      optimiser_(model.parameters(), config_.rule),
      arena_(memory_of(model.parameters().backend())),
      tape_(arena_),
      loss_sum_(Tensor::zeros({1}, DType::f64, model.parameters().backend())),
      best_values_(model.parameters().flat_values().clone()),
      whole_(model.parameters().backend()),
      rest_(model.parameters().backend()) {
  if (config_.batch < 1 || config_.micro_batch < 0 || config_.epochs < 1 || config_.patience < 0)
    throw UsageError(
        "[trainer] batch {}, micro-batch {}, epochs {}, patience {}; allowed: 1 or more, 0 or more, 1 or "
        "more, 0 or more",
        config_.batch, config_.micro_batch, config_.epochs, config_.patience);
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  if (config_.epochs > most) throw UsageError("[trainer] {} epochs; allowed: at most {}", config_.epochs, most);
  if (training_.items < 1 || training_.items > most || !training_.loss || !config_.learning_rate)
    throw UsageError("[trainer] {} items{}{}; allowed: 1 to {}, with a loss and a learning rate", training_.items,
                     training_.loss ? "" : ", no loss", config_.learning_rate ? "" : ", no learning rate", most);
  const auto& metrics = training_.metrics;
  if (training_.best != "train_loss") {
    best_metric_ = static_cast<int>(std::ranges::find(metrics, training_.best) - metrics.begin());
    if (best_metric_ == std::ssize(metrics))
      throw UsageError("[trainer] best epoch by '{}'; allowed: train_loss{}{}", training_.best,
                       metrics.empty() ? "" : ", ", fmt::join(metrics, ", "));
  }
  config_.batch = std::min(config_.batch, training_.items);
  Backend* backend = model.parameters().backend();
  items_ = Tensor::zeros({config_.batch}, DType::i32, backend);
  order_ = Tensor::zeros({training_.items}, DType::i32, backend);
  if (config_.job && config_.job->size() > 1)
    ranks_.emplace(model_.parameters(), *config_.job, config_.micro_batch > 0);
}

std::int64_t Trainer::own_share(std::int64_t n) const {
  if (!ranks_) return n;
  const auto [first, end] = share_of(n, config_.job->rank(), config_.job->size());
  return end - first;
}

void Trainer::backward(std::int64_t count, std::int64_t of, std::int64_t epoch, std::int64_t step) {
  // A rank without an item looks at another's: seen_by().
  const std::int64_t seen = std::max<std::int64_t>(count, 1);
  const std::int64_t pass = config_.micro_batch > 0 ? std::min(config_.micro_batch, seen) : seen;
  // What a step that was only tried left is not added to.
  if (pass < seen) model_.parameters().used_gradients();
  for (std::int64_t at = 0; at < seen; at += pass) {
    tape_.reset();
    const std::int64_t n = std::min(count, std::min(pass, seen - at));
    const Var loss = training_.loss(tape_, items_.slice(at, at + std::max<std::int64_t>(n, 1)));
    with_float(loss.dtype(), "trainer", [&](auto tag) {
      using T = decltype(tag);
      const T* value = loss.value().template address<T>();
      if (!arena_.backend() && !std::isfinite(*value))
        throw NumericError("[trainer] the loss of epoch {}, step {} is {}; lower the learning rate ({})", epoch,
                           step + 1, told(*value), last_rate());
      loop(arena_.backend(), 1, 1, AddLoss<T>{value, loss_sum_.address<double>(), static_cast<double>(n)});
    });
    const Var weighted = n == of ? loss : scale(loss, static_cast<double>(n) / static_cast<double>(of));
    tape_.backward(weighted, pass < seen ? Gradients::add : Gradients::replace);
  }
}

double Trainer::seconds_of_step(std::int64_t count, bool together) {
  tape_.reset();
  if (training_.rehearse) {
    const NoGrad no_grad(tape_);
    training_.rehearse(tape_);
  }
  const Tensor first = Tensor::zeros({count}, DType::i32);
  std::iota(first.span<std::int32_t>().begin(), first.span<std::int32_t>().end(), 0);
  const auto start = Clock::now();
  items_.slice(0, count).copy_from(first);
  backward(own_share(count), count, 0, 0);
  if (ranks_ && together) ranks_->add_up();
  tape_.reset();
  if (Backend* backend = arena_.backend()) backend->synchronise();
  return seconds_since(start);
}

std::int64_t Trainer::batch_that_fits() {
  std::int64_t fits = 0, fails = items_.numel();
  while (fails - fits > 1) {
    const std::int64_t n = fits + (fails - fits) / 2;
    tape_.reset();
    arena_ = Arena(memory_of(arena_.backend()));
    try {
      seconds_of_step(n, false);
      fits = n;
    } catch (const OutOfDeviceMemory&) {
      fails = n;
    }
  }
  return fits;
}

Trainer::Cost Trainer::try_step() {
  double seconds = 0;
  try {
    for (int i = 0; i < 2; ++i) seconds = seconds_of_step(items_.numel(), true);  // the first touches the memory
  } catch (const OutOfDeviceMemory& full) {
    const std::int64_t fits = batch_that_fits();
    throw OutOfDeviceMemory(
        full.device, full.asked, full.memory,
        fits > 0 ? fmt::format("a batch of {} fits", fits) : "not one item fits; take a smaller model");
  }
  const std::size_t received = ranks_ ? ranks_->device_bytes() : 0;
  return {seconds,
          2 * model_.parameters().flat_values().bytes() + optimiser_.state().bytes() + received + arena_.peak()};
}

std::vector<std::string> Trainer::fallbacks() const {
  std::vector<std::string> all = model_.fallbacks();
  if (ranks_ && !ranks_->detour().empty())
    all.push_back("gradients travel by way of the CPU's memory: " + ranks_->detour());
  if (ranks_ && arena_.backend())
    all.emplace_back("steps are launched one by one: what other ranks send is in no recording");
  for (const auto& [name, recorder] : {std::pair("whole", &whole_), std::pair("smaller", &rest_)})
    if (!recorder->refusal().empty())
      all.push_back(fmt::format("steps of {} batches are launched one by one: {}", name, recorder->refusal()));
  return all;
}

bool Trainer::done() const {
  const auto epochs = std::ssize(log_);
  return epochs >= config_.epochs || solved_ ||
         (config_.patience > 0 && epochs > 0 && epochs - best_epoch_ >= config_.patience);
}

void Trainer::train(std::int64_t epoch, const std::function<void(std::int64_t, std::int64_t)>& on_step) {
  fill_permutation(order_, RandomKey(config_.seed, "order").at(static_cast<std::uint64_t>(epoch)), arena_);
  if (training_.before_epoch) training_.before_epoch(epoch);
  std::int64_t step = 0, n = 0;
  const std::function<void()> work = [&] {
    backward(own_share(n), n, epoch, step);
    if (ranks_) ranks_->add_up();
    optimiser_.update();
  };
  for (; step < steps_per_epoch(); ++step) {
    n = std::min(config_.batch, training_.items - step * config_.batch);
    const auto [first, end] =
        ranks_ ? seen_by(n, config_.job->rank(), config_.job->size()) : std::pair{std::int64_t{0}, n};
    items_.slice(0, end - first).copy_from(order_.slice(step * config_.batch + first, step * config_.batch + end));
    if (training_.before_step) training_.before_step(step);
    optimiser_.begin_step(config_.learning_rate(optimiser_.steps()));
    if (ranks_)
      work();  // what other ranks send is in no recording
    else
      (n == config_.batch ? whole_ : rest_).run(work);
    if (on_step) on_step(step + 1, steps_per_epoch());
  }
}

void Trainer::measure_all() {
  const NoGrad no_grad(tape_);
  const Tensor all = Tensor::zeros({training_.items}, DType::i32);
  std::iota(all.span<std::int32_t>().begin(), all.span<std::int32_t>().end(), 0);
  order_.copy_from(all);
  const std::int64_t pass = config_.micro_batch > 0 ? config_.micro_batch : config_.batch;
  double sum = 0;
  for (std::int64_t at = 0; at < training_.items; at += pass) {
    tape_.reset();
    const std::int64_t n = std::min(pass, training_.items - at);
    const Tensor loss = training_.loss(tape_, order_.slice(at, at + n)).value().placed_on(nullptr).to(DType::f64);
    sum += loss.data<double>()[0] * static_cast<double>(n);
  }
  loss_sum_.fill(sum);
}

const Trainer::Epoch& Trainer::run_epoch(const std::function<void(std::int64_t, std::int64_t)>& on_step) {
  const auto epoch = std::ssize(log_) + 1;
  tape_.reset();
  loss_sum_.fill(0);
  solved_ = log_.empty() && training_.solve && training_.solve();
  if (solved_)
    measure_all();
  else
    train(epoch, on_step);
  tape_.reset();
  optimiser_.check();
  double sum = loss_sum_.placed_on(nullptr).span<double>()[0];
  if (ranks_ && !solved_) {
    sum = config_.job->all_sum(sum);
    check_same_values(epoch);
  }
  if (!std::isfinite(sum))
    throw NumericError("[trainer] the mean loss of epoch {} is {}; lower the learning rate ({})", epoch, told(sum),
                       last_rate());
  Epoch row{epoch, sum / static_cast<double>(training_.items), {}};
  if (training_.judge) {
    const NoGrad no_grad(tape_);
    row.metrics = training_.judge(tape_);
    tape_.reset();
  }
  if (row.metrics.size() != training_.metrics.size())
    throw UsageError("[trainer] {} metrics were judged; allowed: {}, one for each name", row.metrics.size(),
                     training_.metrics.size());
  for (std::size_t i = 0; i < row.metrics.size(); ++i)
    if (!std::isfinite(row.metrics[i]))
      throw NumericError("[trainer] after epoch {} {} is {}; lower the learning rate ({})", epoch, training_.metrics[i],
                         told(row.metrics[i]), last_rate());
  if (is_best(row, log_, best_epoch_)) {
    best_epoch_ = epoch;
    best_values_.copy_from(model_.parameters().flat_values());
  }
  log_.push_back(std::move(row));
  return log_.back();
}

void Trainer::check_same_values(std::int64_t epoch) {
  const Tensor values = model_.parameters().flat_values().placed_on(nullptr);
  const std::uint64_t own = Hash().add({static_cast<const std::byte*>(values.raw()), values.bytes()}).value();
  if (const int rank = config_.job->first_unlike(own))
    throw RankError(
        "[trainer] after epoch {} rank {} has another model than rank 0; allowed: processors or devices of one kind, "
        "and the same state",
        epoch, rank);
}

double Trainer::last_rate() const { return config_.learning_rate(std::max<std::int64_t>(optimiser_.steps() - 1, 0)); }

double Trainer::score(const Epoch& row) const {
  const double number = best_metric_ < 0 ? row.train_loss : row.metrics[static_cast<std::size_t>(best_metric_)];
  return training_.highest ? number : -number;
}

bool Trainer::is_best(const Epoch& row, const std::vector<Epoch>& log, std::int64_t best_epoch) const {
  return best_epoch == 0 || score(row) > score(log[static_cast<std::size_t>(best_epoch - 1)]);
}

void Trainer::take_best() {
  model_.parameters().flat_values().copy_from(best_values_);
  model_.parameters().changed();
}

}  // namespace weft
