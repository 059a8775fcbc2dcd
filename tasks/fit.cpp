#include "weft/tasks/fit.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include <fmt/format.h>

#include "weft/core/told.h"
#include "weft/nn/losses.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

constexpr std::int64_t judged_at_once = 64;
constexpr double lowest_rate = 1e-5;  // of a cosine

std::vector<double> targets(const Tensor& t) {
  const Tensor wide = t.to(DType::f64);
  return {wide.span<double>().begin(), wide.span<double>().end()};
}

/// A target that no network has would train a model on nonsense, a NaN spoil it.
void check_targets(const Task& task, std::int64_t outputs, const char* part, const Tensor& target) {
  if (task.classes != (target.dtype() == DType::i32))
    throw DtypeError("[fit] targets of the {} networks are {}; allowed: {}", part, name(target.dtype()),
                     task.classes ? "int32, numbers of classes" : "float32, float64");
  const double low = task.low, high = task.classes ? static_cast<double>(outputs - 1) : task.high;
  const std::vector<double> all = targets(target);
  const auto wrong = std::ranges::find_if_not(all, [&](double x) { return low <= x && x <= high; });
  if (wrong != all.end())
    throw UsageError("[fit] target {} of the {} networks is {}; allowed: {} to {}", wrong - all.begin(), part, *wrong,
                     low, high);
}

/// Of the first n networks, one's after another's. What is on the tape goes.
std::vector<double> outputs_of(const Reader& model, std::span<const Tensor> prepared, std::int64_t n, Tape& tape) {
  Backend* backend = model.parameters().backend();
  tape.reset();
  std::vector<double> outputs;
  for (std::int64_t begin = 0; begin < n; begin += judged_at_once) {
    std::vector<Tensor> some;
    for (const Tensor& t : prepared)
      some.push_back(t.slice(begin, std::min(n, begin + judged_at_once)).placed_on(backend));
    const Tensor out = model.forward(tape, some).value().placed_on(nullptr).to(DType::f64);
    outputs.insert(outputs.end(), out.span<double>().begin(), out.span<double>().end());
    tape.reset();
  }
  return outputs;
}

}  // namespace

const std::vector<Setting>& training_settings() {
  static const std::vector<Setting> settings = [] {
    const FitConfig usual;
    constexpr double most = 1e6;
    const std::string counted = "their steps are counted in 32 bits";
    return std::vector<Setting>{
        {.name = "epochs", .text = "epochs at most", .usual = usual.epochs, .low = 1, .high = most, .why = counted},
        {.name = "patience",
         .text = "epochs without a better metric on the validation networks before it stops",
         .usual = usual.patience,
         .low = 1,
         .high = most,
         .why = counted},
        {.name = "batch",
         .text = "networks a step",
         .usual = usual.batch,
         .low = 1,
         .high = most,
         .why = "a step holds all of its batch in memory"},
        {.name = "warmup",
         .text = "epochs in which the learning rate rises before it falls along a cosine; 0: it stays as it is",
         .usual = usual.warmup,
         .low = 0,
         .high = most,
         .why = "it ends with the training"},
        {.name = "permute_fixed",
         .text = "every step reads its networks under random permutations of the axes that the layers "
                 "take as fixed (input pixels, features between blocks, classes)",
         .usual = usual.permute_fixed},
        {.name = "learning_rate",
         .text = "learning rate of Adam",
         .usual = usual.learning_rate,
         .low = std::numeric_limits<double>::min(),
         .high = std::numeric_limits<double>::max()}};
  }();
  return settings;
}

Settings training_settings(std::string_view kind, Settings::Given given) {
  const std::string who = fmt::format("the training of model '{}'", kind);
  std::vector<Setting> list = training_settings();
  Settings checked(who, list);
  for (const auto& [name, value] : model_kind(kind).training) {
    checked.set(name, value);
    std::ranges::find(list, name, &Setting::name)->usual = checked.value(name);
  }
  return {who, std::move(list), given};
}

FitConfig FitConfig::of(const Settings& s, std::uint64_t seed) {
  return {.learning_rate = s.number("learning_rate"),
          .batch = s.whole("batch"),
          .epochs = s.whole("epochs"),
          .patience = s.whole("patience"),
          .warmup = s.whole("warmup"),
          .permute_fixed = s.flag("permute_fixed"),
          .seed = seed};
}

namespace {

/// What the steps of a training read, where the model lies.
struct Steps {
  Reader& model;
  Task task;
  FitConfig config;
  Examples train, validation;
  std::vector<double> truth;  ///< of the validation networks
  /// int32, of a permuted axis: [steps, size] of the epoch, [size] of the step.
  struct Permuted {
    FixedAxis axis;
    Tensor drawn, now;
  };
  std::vector<Permuted> permuted = {};
  /// uint8: the 8 bytes of a step's number, which dropout draws with: [steps, 8] of the epoch, [8] of the step.
  Tensor numbers, number;
  Arena scratch;

  /// The permutations and the number of every step: a step draws nothing, for drawing allocates.
  void begin_epoch(std::int64_t epoch) {
    const Tensor counted = Tensor::zeros(numbers.shape(), DType::u8);
    for (std::int64_t step = 0; step < counted.dim(0); ++step) {
      const auto count = static_cast<std::uint64_t>((epoch - 1) * counted.dim(0) + step);
      std::memcpy(counted[step].raw(), &count, sizeof count);
    }
    numbers.copy_from(counted);
    scratch.reset();
    for (std::size_t i = 0; i < permuted.size(); ++i) {
      const RandomKey key = RandomKey(config.seed, "fixed axes").at(i).at(static_cast<std::uint64_t>(epoch));
      for (std::int64_t step = 0; step < permuted[i].drawn.dim(0); ++step)
        fill_permutation(permuted[i].drawn[step], key.at(static_cast<std::uint64_t>(step)), scratch);
    }
  }

  void begin_step(std::int64_t step) const {
    number.copy_from(numbers[step]);
    for (const Permuted& p : permuted) p.now.copy_from(p.drawn[step]);
  }

  Var loss(Tape& tape, const Tensor& networks) const {
    const std::span<Tensor> batch(tape.host().allocate_array<Tensor>(train.prepared.size()), train.prepared.size());
    for (std::size_t i = 0; i < batch.size(); ++i) new (&batch[i]) Tensor(gathered(tape, train.prepared[i], networks));
    for (const Permuted& p : permuted)
      for (const auto& [tensor, axis] : p.axis.places) {
        Tensor& t = batch[static_cast<std::size_t>(tensor)];
        t = gather(tape.constant(t), axis + 2, p.now).value();  // behind the batch and the channels
      }
    const RandomKey dropout =
        RandomKey(config.seed, "dropout").counted(static_cast<const std::uint64_t*>(number.raw()));
    return mean_all(task.loss(model.forward(tape, batch, dropout), gathered(tape, train.target, networks)));
  }

  bool solve() const {
    if (task.image) return model.solve(train.prepared, {});
    const std::vector<double> all = targets(train.target.placed_on(nullptr));
    const auto one = static_cast<std::size_t>(model.outputs());
    std::vector<double> outputs(all.size() * one);
    for (std::size_t i = 0; i < all.size(); ++i) task.output(all[i], std::span(outputs).subspan(i * one, one));
    return model.solve(train.prepared, outputs);
  }

  std::vector<double> judge(Tape& tape) const {
    const std::vector<double> outputs = outputs_of(model, validation.prepared, validation.count(), tape);
    if (!std::ranges::all_of(outputs, [](double z) { return std::isfinite(z); }))
      throw NumericError("[fit] the predictions are not finite; lower the learning rate ({})", config.learning_rate);
    return {mean_loss(task, outputs, validation.target), task.metric.of(outputs, truth)};
  }
};

FitConfig checked(const FitConfig& config, const Task& task, std::int64_t outputs, const Examples& train,
                  const Examples& validation) {
  if (config.batch < 1 || config.epochs < 1 || config.patience < 1 || !(config.learning_rate > 0) ||
      !std::isfinite(config.learning_rate))
    throw UsageError("[fit] batch {}, epochs {}, patience {}, learning rate {}; allowed: positive ones", config.batch,
                     config.epochs, config.patience, config.learning_rate);
  if (config.warmup < 0 || config.warmup > config.epochs)
    throw UsageError("[fit] warm-up of {} epochs; allowed: 0 to the {} of the training", config.warmup, config.epochs);
  for (const Examples* examples : {&train, &validation})
    for (const Tensor& prepared : examples->prepared)
      if (examples->target.rank() < 1 || prepared.rank() < 1 || prepared.dim(0) != examples->count())
        throw ShapeError("[fit] prepared networks {} and targets {}; allowed: a target for each network",
                         prepared.shape().str(), examples->target.shape().str());
  if (train.count() == 0 || validation.count() == 0)
    throw UsageError("[fit] {} networks to train on, {} to validate on; allowed: 1 or more of each", train.count(),
                     validation.count());
  check_outputs(task, outputs);
  check_targets(task, outputs, "training", train.target);
  check_targets(task, outputs, "validation", validation.target);
  FitConfig fitting = config;
  fitting.batch = std::min(config.batch, train.count());
  return fitting;
}

Training training_of(Reader& model, const Task& task, const FitConfig& config, Examples train, Examples validation) {
  Backend* backend = model.parameters().backend();
  const std::vector<double> truth = targets(validation.target);
  const std::string metric = fmt::format("validation_{}", task.metric.name);
  for (Examples* examples : {&train, &validation})
    for (Tensor& t : examples->prepared) t = t.placed_on(backend);
  train.target = train.target.placed_on(backend);
  const std::int64_t items = train.count(), steps = (items + config.batch - 1) / config.batch;
  const auto s =
      std::make_shared<Steps>(Steps{.model = model,
                                    .task = task,
                                    .config = config,
                                    .train = std::move(train),
                                    .validation = std::move(validation),
                                    .truth = truth,
                                    .numbers = Tensor::zeros({steps, sizeof(std::uint64_t)}, DType::u8, backend),
                                    .number = Tensor::zeros({sizeof(std::uint64_t)}, DType::u8, backend),
                                    .scratch = Arena(memory_of(backend))});
  if (config.permute_fixed)
    for (const FixedAxis& axis : model.fixed_axes())
      s->permuted.push_back({axis, Tensor::zeros({steps, axis.size}, DType::i32, backend),
                             Tensor::zeros({axis.size}, DType::i32, backend)});
  if (config.permute_fixed && s->permuted.empty())
    throw UsageError(
        "[fit] permuted axes: a '{}' model of this space has none that its layers take as fixed; train without",
        model.kind());
  return {.items = items,
          .loss = [s](Tape& tape, const Tensor& networks) { return s->loss(tape, networks); },
          .solve = [s] { return s->solve(); },
          .before_epoch = [s](std::int64_t epoch) { s->begin_epoch(epoch); },
          .before_step = [s](std::int64_t step) { s->begin_step(step); },
          .judge = [s](Tape& tape) { return s->judge(tape); },
          .metrics = {"validation_loss", metric},
          .best = metric,
          .highest = task.metric.highest,
          .rehearse =
              [s](Tape& tape) {
                outputs_of(s->model, s->validation.prepared, std::min(judged_at_once, s->validation.count()), tape);
              }};
}

std::function<double(std::int64_t)> rate_of(const FitConfig& config, std::int64_t items) {
  if (config.warmup == 0) return [rate = config.learning_rate](std::int64_t) { return rate; };
  return [config, steps = (items + config.batch - 1) / config.batch](std::int64_t step) {
    return WarmupCosine{config.learning_rate, std::min(lowest_rate, config.learning_rate), config.warmup * steps,
                        config.epochs * steps}(step);
  };
}

}  // namespace

Fit::Fit(Reader& model, const FitConfig& given, Examples train, Examples validation, const Task& task)
    : Fit{model,
          checked(given, task, model.outputs(), train, validation),
          train.count(),
          std::move(train),
          std::move(validation),
          task} {}

Fit::Fit(Reader& model, const FitConfig& config, std::int64_t items, Examples train, Examples validation,
         const Task& task)
    : Trainer(model,
              {.batch = config.batch,
               .epochs = config.epochs,
               .patience = config.patience,
               .learning_rate = rate_of(config, items),
               .seed = config.seed},
              training_of(model, task, config, std::move(train), std::move(validation))) {}

std::vector<double> predict_outputs(const Reader& model, std::span<const Tensor> prepared,
                                    std::span<const std::int64_t> ids) {
  Tape tape(model.parameters().backend());
  const NoGrad no_grad(tape);
  std::vector<double> outputs = outputs_of(model, prepared, prepared.empty() ? 0 : prepared[0].dim(0), tape);
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (!std::isfinite(outputs[i])) {
      const std::size_t network = i / static_cast<std::size_t>(model.outputs());
      throw NumericError(
          "[predict] the prediction for network {} is {}; are its weights of the size that the model was trained on?",
          ids.empty() ? static_cast<std::int64_t>(network) : ids[network], told(outputs[i]));
    }
  return outputs;
}

double mean_loss(const Task& task, std::span<const double> outputs, const Tensor& target) {
  const std::int64_t n = target.dim(0);
  if (n == 0) return 0;
  Tape tape;
  const NoGrad no_grad(tape);
  const Var y = tape.constant(Tensor::from<double>(outputs, {n, std::ssize(outputs) / n}));
  return mean_all(task.loss(y, task.classes ? target : target.to(DType::f64))).value().data<double>()[0];
}

}  // namespace weft
