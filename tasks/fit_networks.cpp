#include "weft/tasks/fit_networks.h"

#include <algorithm>

#include "weft/ops/view.h"

namespace weft {
namespace {

/// Of the networks that a model is standardised by where not all are held.
constexpr std::int64_t sample_bytes = std::int64_t{32} << 20;

std::int64_t bytes_of_network(const Zoo& zoo) { return std::max<std::int64_t>(1, 4 * zoo.space().parameters()); }

bool fits(const Zoo& zoo, std::int64_t networks, const FitConfig& config) {
  return networks <= config.held / bytes_of_network(zoo);
}

bool is_solved(const Reader& model) {
  return std::ranges::any_of(model_kinds(), [&](const ModelKind* k) { return k->solved && k->name == model.kind(); });
}

/// Beside the model, once.
Examples placed(const Reader& model, Examples examples) {
  Backend* backend = model.parameters().backend();
  for (Tensor& t : examples.prepared) t = t.placed_on(backend);
  examples.target = examples.target.placed_on(backend);
  return examples;
}

/// As many of the ids as the sample takes, in their order: those that an epoch 0 would read first.
std::vector<std::int64_t> sample_of(const Zoo& zoo, std::span<const std::int64_t> ids, const FitConfig& config) {
  const ZooLoaderConfig usual;
  const std::int64_t one = bytes_of_network(zoo), n = std::ssize(ids);
  std::vector<std::int32_t> order = block_order(n, std::max<std::int64_t>(1, usual.block_bytes / one), usual.window,
                                                RandomKey(config.seed, "order").at(0));
  order.resize(static_cast<std::size_t>(std::clamp(sample_bytes / one, std::min(config.batch, n), n)));
  std::ranges::sort(order);
  std::vector<std::int64_t> sample;
  for (const std::int32_t i : order) sample.push_back(ids[static_cast<std::size_t>(i)]);
  return sample;
}

}  // namespace

TrainNetworks::TrainNetworks(const Reader& model, const Task& task, Examples held)
    : model_(model), count_(held.count()) {
  check_targets(task, model.outputs(), "training", held.target);
  examples_ = placed(model, std::move(held));
}

TrainNetworks::TrainNetworks(Reader& model, const Task& task, const Zoo& zoo, std::span<const std::int64_t> ids,
                             const FitConfig& config)
    : model_(model), count_(std::ssize(ids)) {
  if (fits(zoo, count_, config)) {
    const Tensor target = targets_of(task, zoo, ids);
    check_targets(task, model.outputs(), "training", target);
    examples_ = placed(model, {model.standardise(zoo.weights(ids)), target});
    return;
  }
  const std::vector<std::int64_t> sample = sample_of(zoo, ids, config);
  const std::vector<Tensor> prepared = model.standardise(zoo.weights(sample));
  if (is_solved(model))
    prepare_all(task, zoo, ids, prepared);
  else
    stream(task, zoo, ids, sample, prepared, config);
}

void TrainNetworks::prepare_all(const Task& task, const Zoo& zoo, std::span<const std::int64_t> ids,
                                std::span<const Tensor> prepared) {
  Examples all{{}, targets_of(task, zoo, ids)};
  check_targets(task, model_.outputs(), "training", all.target);
  for (const Tensor& t : prepared) {
    Shape shape{count_};
    for (int axis = 1; axis < t.rank(); ++axis) shape.push_back(t.dim(axis));
    all.prepared.push_back(Tensor::zeros(shape, t.dtype()));
  }
  const std::int64_t piece = std::max<std::int64_t>(1, sample_bytes / bytes_of_network(zoo));
  for (std::int64_t begin = 0; begin < count_; begin += piece) {
    const std::int64_t n = std::min(piece, count_ - begin);
    const auto some =
        model_.prepare(zoo.weights(ids.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(n))));
    for (std::size_t i = 0; i < some.size(); ++i) all.prepared[i].slice(begin, begin + n).copy_from(some[i]);
  }
  examples_ = placed(model_, std::move(all));
}

void TrainNetworks::stream(const Task& task, const Zoo& zoo, std::span<const std::int64_t> ids,
                           const std::vector<std::int64_t>& sample, std::span<const Tensor> prepared,
                           const FitConfig& config) {
  // Until the first step they are some of the sample, so that a step can be tried.
  Examples step{{}, targets_of(task, zoo, std::span(sample).first(static_cast<std::size_t>(config.batch)))};
  check_targets(task, model_.outputs(), "training", step.target);
  for (const Tensor& t : prepared) step.prepared.push_back(t.slice(0, config.batch).clone());
  examples_ = placed(model_, std::move(step));
  // A device serves one thread: there a network is prepared by the one that trains.
  const bool here = !model_.parameters().backend();
  loader_ = std::make_unique<ZooLoader>(
      zoo, std::vector(ids.begin(), ids.end()),
      ZooLoaderConfig{.batch = config.batch,
                      .seed = config.seed,
                      .rank = config.job ? config.job->rank() : 0,
                      .ranks = config.job ? config.job->size() : 1},
      [&model = model_, task, zoo, here](std::span<const std::int64_t> some, std::span<const Tensor> weights) {
        std::vector<Tensor> made = here ? model.prepare(weights) : std::vector(weights.begin(), weights.end());
        made.push_back(targets_of(task, zoo, some));
        check_targets(task, model.outputs(), "training", made.back());
        return made;
      });
}

void TrainNetworks::begin_epoch(std::int64_t epoch) {
  if (loader_) loader_->begin(epoch);
}

void TrainNetworks::begin_step() {
  if (!loader_) return;
  const std::vector<Tensor>& read = loader_->next().tensors;
  const auto fill = [&](std::span<const Tensor> prepared) {
    for (std::size_t i = 0; i < prepared.size(); ++i)
      examples_.prepared[i].slice(0, prepared[i].dim(0)).copy_from(prepared[i]);
  };
  const std::span networks(read.data(), read.size() - 1);
  if (model_.parameters().backend())
    fill(model_.prepare(networks));
  else
    fill(networks);
  examples_.target.slice(0, read.back().dim(0)).copy_from(read.back());
}

Tensor TrainNetworks::of_step(Tape& tape, const Tensor& all, const Tensor& networks) const {
  return loader_ ? all.slice(0, networks.dim(0)) : gathered(tape, all, networks);
}

TensorsOf slices_of(std::span<const Tensor> prepared) {
  return [all = std::vector(prepared.begin(), prepared.end())](std::int64_t begin, std::int64_t end) {
    std::vector<Tensor> some;
    for (const Tensor& t : all) some.push_back(t.slice(begin, end));
    return some;
  };
}

JudgedNetworks judged_networks(const Reader& model, const Task& task, Examples held) {
  check_targets(task, model.outputs(), "validation", held.target);
  const Tensor target = held.target;
  for (Tensor& t : held.prepared) t = t.placed_on(model.parameters().backend());
  return {.count = target.dim(0),
          .streamed = false,
          .prepared = slices_of(held.prepared),
          .target = [target](std::int64_t begin, std::int64_t end) { return target.slice(begin, end); }};
}

JudgedNetworks judged_networks(const Reader& model, const Task& task, const Zoo& zoo, std::vector<std::int64_t> ids,
                               const FitConfig& config) {
  const std::int64_t n = std::ssize(ids);
  if (fits(zoo, n, config))
    return judged_networks(model, task, Examples{model.prepare(zoo.weights(ids)), targets_of(task, zoo, ids)});
  const auto piece = [ids = std::move(ids)](std::int64_t begin, std::int64_t end) {
    return std::span(ids).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  };
  return {.count = n,
          .streamed = true,
          .prepared = [&model, zoo, piece](std::int64_t begin,
                                           std::int64_t end) { return model.prepare(zoo.weights(piece(begin, end))); },
          .target =
              [&model, task, zoo, piece](std::int64_t begin, std::int64_t end) {
                Tensor target = targets_of(task, zoo, piece(begin, end));
                check_targets(task, model.outputs(), "validation", target);
                return target;
              }};
}

}  // namespace weft
