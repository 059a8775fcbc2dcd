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
#include "weft/tasks/fit_networks.h"

namespace weft {
namespace {

constexpr std::int64_t judged_at_once = 64;
constexpr std::int64_t drawn_at_once = 1024;  // steps: what they draw must not grow with the zoo
constexpr double lowest_rate = 1e-5;          // of a cosine

std::string metric_name(const Task& task) { return fmt::format("validation_{}", task.metric.name); }

std::vector<double> targets(const Tensor& t) {
  const Tensor wide = t.to(DType::f64);
  return {wide.span<double>().begin(), wide.span<double>().end()};
}

/// Of networks [begin, end), one's after another's. What is on the tape goes.
std::vector<double> outputs_of(const Reader& model, const TensorsOf& networks, std::int64_t begin, std::int64_t end,
                               Tape& tape) {
  Backend* backend = model.parameters().backend();
  tape.reset();
  std::vector<double> outputs;
  for (; begin < end; begin += judged_at_once) {
    std::vector<Tensor> some = networks(begin, std::min(end, begin + judged_at_once));
    for (Tensor& t : some) t = t.placed_on(backend);
    const Tensor out = model.forward(tape, some).value().placed_on(nullptr).to(DType::f64);
    outputs.insert(outputs.end(), out.span<double>().begin(), out.span<double>().end());
    tape.reset();
  }
  return outputs;
}

}  // namespace

// A target that no network has would train a model on nonsense, a NaN spoil it.
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

/// What the steps of a training read, where the model lies.
struct Fit::Steps {
  Reader& model;
  Task task;
  FitConfig config;
  TrainNetworks train;
  JudgedNetworks validation;
  std::int64_t steps;  ///< of an epoch
  std::int64_t epoch = 0;
  /// int32, of a permuted axis: [drawn at once, size] of the next steps, [size] of the step.
  struct Permuted {
    FixedAxis axis;
    Tensor drawn, now;
  };
  std::vector<Permuted> permuted = {};
  /// uint8: the 8 bytes of a step's number, which dropout draws with: [drawn at once, 8] of the next steps, on the CPU
  /// and beside the model, [8] of the step.
  Tensor counted, numbers, number;
  Arena scratch;

  Steps(Reader& given, const Task& learnt, const FitConfig& checked, TrainNetworks networks, JudgedNetworks judged)
      : model(given),
        task(learnt),
        config(checked),
        train(std::move(networks)),
        validation(std::move(judged)),
        steps((train.count() + config.batch - 1) / config.batch),
        scratch(memory_of(given.parameters().backend())) {
    Backend* backend = model.parameters().backend();
    const std::int64_t at_once = std::min(steps, drawn_at_once);
    counted = Tensor::zeros({at_once, sizeof(std::uint64_t)}, DType::u8);
    numbers = Tensor::zeros(counted.shape(), DType::u8, backend);
    number = Tensor::zeros({sizeof(std::uint64_t)}, DType::u8, backend);
    if (config.permute_fixed)
      for (const FixedAxis& axis : model.fixed_axes())
        permuted.push_back({axis, Tensor::zeros({at_once, axis.size}, DType::i32, backend),
                            Tensor::zeros({axis.size}, DType::i32, backend)});
    if (config.permute_fixed && permuted.empty())
      throw UsageError(
          "[fit] permuted axes: a '{}' model of this space has none that its layers take as fixed; train without",
          model.kind());
  }

  void begin_epoch(std::int64_t begun) {
    epoch = begun;
    train.begin_epoch(epoch);
  }

  /// The permutations and the numbers of the next steps: a step draws nothing, for drawing allocates.
  void draw(std::int64_t first) {
    const std::int64_t n = std::min(counted.dim(0), steps - first);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto count = static_cast<std::uint64_t>((epoch - 1) * steps + first + i);
      std::memcpy(counted[i].raw(), &count, sizeof count);
    }
    numbers.copy_from(counted);
    scratch.reset();
    for (std::size_t p = 0; p < permuted.size(); ++p) {
      const RandomKey key = RandomKey(config.seed, "fixed axes").at(p).at(static_cast<std::uint64_t>(epoch));
      for (std::int64_t i = 0; i < n; ++i)
        fill_permutation(permuted[p].drawn[i], key.at(static_cast<std::uint64_t>(first + i)), scratch);
    }
  }

  void begin_step(std::int64_t step) {
    const std::int64_t drawn = step % counted.dim(0);
    if (drawn == 0) draw(step);
    number.copy_from(numbers[drawn]);
    for (const Permuted& p : permuted) p.now.copy_from(p.drawn[drawn]);
    train.begin_step();
  }

  Var loss(Tape& tape, const Tensor& networks) const {
    const std::vector<Tensor>& all = train.examples().prepared;
    const std::span<Tensor> batch(tape.host().allocate_array<Tensor>(all.size()), all.size());
    for (std::size_t i = 0; i < batch.size(); ++i) new (&batch[i]) Tensor(train.of_step(tape, all[i], networks));
    for (const Permuted& p : permuted)
      for (const auto& [tensor, axis] : p.axis.places) {
        Tensor& t = batch[static_cast<std::size_t>(tensor)];
        t = gather(tape.constant(t), axis + 2, p.now).value();  // behind the batch and the channels
      }
    RandomKey dropout(config.seed, "dropout");
    // The places of a batch draw by their numbers, and each rank has a place 0.
    if (config.job && !config.job->first()) dropout = dropout.at(static_cast<std::uint64_t>(config.job->rank()));
    return mean_all(
        task.loss(model.forward(tape, batch, dropout.counted(static_cast<const std::uint64_t*>(number.raw()))),
                  train.of_step(tape, train.examples().target, networks)));
  }

  bool solve() const {
    const Examples& all = train.examples();
    if (train.streamed()) return false;
    if (task.image) return model.solve(all.prepared, {});
    const std::vector<double> wanted = targets(all.target.placed_on(nullptr));
    const auto one = static_cast<std::size_t>(model.outputs());
    std::vector<double> outputs(wanted.size() * one);
    for (std::size_t i = 0; i < wanted.size(); ++i) task.output(wanted[i], std::span(outputs).subspan(i * one, one));
    return model.solve(all.prepared, outputs);
  }

  /// Of validation networks, each rank with a share of them.
  std::vector<double> outputs_of_all(std::int64_t begin, std::int64_t end, Tape& tape) const {
    if (!config.job || config.job->size() == 1) return outputs_of(model, validation.prepared, begin, end, tape);
    const auto [first, last] = share_of(end - begin, config.job->rank(), config.job->size());
    const std::vector<double> own = outputs_of(model, validation.prepared, begin + first, begin + last, tape);
    const std::string all =
        config.job->all_gather({reinterpret_cast<const char*>(own.data()), own.size() * sizeof(double)});
    std::vector<double> outputs(all.size() / sizeof(double));
    std::memcpy(outputs.data(), all.data(), all.size());
    return outputs;
  }

  /// At once; but images that are streamed piece by piece, for their pixels may be more than the weights. Of images
  /// loss and metric are means.
  std::vector<double> judge(Tape& tape) const {
    const std::int64_t n = validation.count, piece = task.image && validation.streamed ? judged_at_once : n;
    double loss = 0, metric = 0;
    for (std::int64_t begin = 0; begin < n; begin += piece) {
      const std::int64_t end = std::min(n, begin + piece);
      const std::vector<double> outputs = outputs_of_all(begin, end, tape);
      if (!std::ranges::all_of(outputs, [](double z) { return std::isfinite(z); }))
        throw NumericError("[fit] the predictions are not finite; lower the learning rate ({})", config.learning_rate);
      const Tensor target = validation.target(begin, end);
      const double share = static_cast<double>(end - begin) / static_cast<double>(n);
      loss += share * mean_loss(task, outputs, target);
      metric += share * task.metric.of(outputs, targets(target));
    }
    return {loss, metric};
  }
};

namespace {

FitConfig checked(const FitConfig& config, const Task& task, std::int64_t outputs, std::int64_t train,
                  std::int64_t validation) {
  if (config.batch < 1 || config.epochs < 1 || config.patience < 1 || !(config.learning_rate > 0) ||
      !std::isfinite(config.learning_rate))
    throw UsageError("[fit] batch {}, epochs {}, patience {}, learning rate {}; allowed: positive ones", config.batch,
                     config.epochs, config.patience, config.learning_rate);
  if (config.warmup < 0 || config.warmup > config.epochs)
    throw UsageError("[fit] warm-up of {} epochs; allowed: 0 to the {} of the training", config.warmup, config.epochs);
  if (train == 0 || validation == 0)
    throw UsageError("[fit] {} networks to train on, {} to validate on; allowed: 1 or more of each", train, validation);
  check_outputs(task, outputs);
  FitConfig fitting = config;
  fitting.batch = std::min(config.batch, train);
  return fitting;
}

void check_alike(const Examples& examples) {
  for (const Tensor& prepared : examples.prepared)
    if (examples.target.rank() < 1 || prepared.rank() < 1 || prepared.dim(0) != examples.count())
      throw ShapeError("[fit] prepared networks {} and targets {}; allowed: a target for each network",
                       prepared.shape().str(), examples.target.shape().str());
}

std::function<double(std::int64_t)> rate_of(const FitConfig& config, std::int64_t items) {
  if (config.warmup == 0) return [rate = config.learning_rate](std::int64_t) { return rate; };
  return [config, steps = (items + config.batch - 1) / config.batch](std::int64_t step) {
    return WarmupCosine{config.learning_rate, std::min(lowest_rate, config.learning_rate), config.warmup * steps,
                        config.epochs * steps}(step);
  };
}

}  // namespace

Fit::Fit(Reader& model, const FitConfig& config, Examples train, Examples validation, const Task& task)
    : Fit([&] {
        for (const Examples* examples : {&train, &validation}) check_alike(*examples);
        const FitConfig fitting = checked(config, task, model.outputs(), train.count(), validation.count());
        TrainNetworks networks(model, task, std::move(train));
        return std::make_shared<Steps>(model, task, fitting, std::move(networks),
                                       judged_networks(model, task, std::move(validation)));
      }()) {}

Fit::Fit(Reader& model, const FitConfig& config, const Zoo& zoo, const std::vector<std::int64_t>& train,
         const std::vector<std::int64_t>& validation, const Task& task)
    : Fit([&] {
        const FitConfig fitting = checked(config, task, model.outputs(), std::ssize(train), std::ssize(validation));
        // In this order: what is judged is prepared as the training networks say.
        TrainNetworks networks(model, task, zoo, train, fitting);
        return std::make_shared<Steps>(model, task, fitting, std::move(networks),
                                       judged_networks(model, task, zoo, validation, fitting));
      }()) {}

Fit::Fit(const std::shared_ptr<Steps>& s)
    : Trainer(s->model,
              {.batch = s->config.batch,
               .epochs = s->config.epochs,
               .patience = s->config.patience,
               .learning_rate = rate_of(s->config, s->train.count()),
               .seed = s->config.seed,
               .job = s->config.job},
              {.items = s->train.count(),
               .loss = [s](Tape& tape, const Tensor& networks) { return s->loss(tape, networks); },
               .solve = [s] { return s->solve(); },
               .before_epoch = [s](std::int64_t epoch) { s->begin_epoch(epoch); },
               .before_step = [s](std::int64_t step) { s->begin_step(step); },
               .judge = [s](Tape& tape) { return s->judge(tape); },
               .metrics = {"validation_loss", metric_name(s->task)},
               .best = metric_name(s->task),
               .highest = s->task.metric.highest,
               .rehearse =
                   [s](Tape& tape) {
                     outputs_of(s->model, s->validation.prepared, 0, std::min(judged_at_once, s->validation.count),
                                tape);
                   }}) {}

std::vector<double> predict_outputs(const Reader& model, std::span<const Tensor> prepared,
                                    std::span<const std::int64_t> ids) {
  Tape tape(model.parameters().backend());
  const NoGrad no_grad(tape);
  std::vector<double> outputs =
      outputs_of(model, slices_of(prepared), 0, prepared.empty() ? 0 : prepared[0].dim(0), tape);
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
