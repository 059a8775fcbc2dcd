#include "weft/networks/population/population_trainer.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>

#include "weft/core/parallel.h"
#include "weft/core/team.h"
#include "weft/networks/population/device_population.h"

namespace weft {
namespace {

ItemLists all_items(const PopulationModel& model, const Dataset& data) {
  return {true, [items = model.items(data)](std::int64_t) {
            std::vector<std::int32_t> all(static_cast<std::size_t>(items));
            std::iota(all.begin(), all.end(), 0);
            return all;
          }};
}

/// What each of the networks up to number `end` is trained on.
std::int64_t checked_items(const PopulationModel& model, const Dataset& train, const Dataset* held_out,
                           std::int64_t end) {
  model.check(train);
  if (held_out) model.check(*held_out);
  if (train.items() < 1 || (held_out && held_out->items() < 1))
    throw UsageError("[population] '{}' has no items", train.name);
  if (model.implicit() && held_out)
    throw UsageError("[population] held-out items for networks that store images; they have none to choose by");
  if (model.implicit() && end > train.items() * model.views())
    throw UsageError("[population] networks up to number {} for {} images with {} views each; allowed: {}", end - 1,
                     train.items(), model.views(), train.items() * model.views());
  return model.items(train);
}

/// Weights decay and start at random; tensors with one axis are biases.
bool is_weight(const SpaceTensor& tensor) { return tensor.axes.size() > 1; }

}  // namespace

PopulationTrainer::PopulationTrainer(const PopulationModel& model, const Dataset& train,
                                     const std::vector<TrainingRecipe>& recipes, const TrainingPlan& plan,
                                     const Dataset* held_out, Backend* backend)
    : model_(model),
      train_(train),
      draws_(recipes, plan,
             checked_items(model, train, held_out, plan.first_network + static_cast<std::int64_t>(recipes.size())),
             model.implicit()),
      held_out_(held_out) {
  int slots = 0;
  for (const TrainingRecipe& recipe : draws_.recipes()) slots = std::max(slots, states(recipe.rule.kind));
  epochs_done_ = Tensor::zeros({1}, DType::i32);
  diverged_at_ = Tensor::zeros({networks()}, DType::i32);
  const Space& space = model.space();
  const RandomKey starts(plan.seed, "init");
  for (std::size_t t = 0; t < space.tensors().size(); ++t) {
    const Shape shape = space.feature_shape(static_cast<int>(t), networks(), 1);
    weights_.push_back(Tensor::zeros(shape, DType::f32));
    if (slots > 0) first_.push_back(Tensor::zeros(shape, DType::f32));
    if (slots > 1) second_.push_back(Tensor::zeros(shape, DType::f32));
    for (std::int64_t n = 0; n < networks(); ++n)
      model.draw_start(t, draws_.recipe(n), starts, draws_.number(n), weights_.back()[n]);
    if (held_out) best_.push_back(weights_.back().clone());
  }
  if (held_out) {
    best_epoch_ = Tensor::zeros({networks()}, DType::i32);
    best_accuracy_ = Tensor::zeros({networks()}, DType::f64);
    best_accuracy_.fill(-1);
  }
  if (backend) device_ = std::make_unique<DevicePopulation>(*backend, model, train, draws_);
}

PopulationTrainer::~PopulationTrainer() = default;

/// body(network, arena, whether this is the calling thread). Each thread takes the next network that is left: they
/// are independent, so it does not matter which thread gets which.
template <class Body>
void PopulationTrainer::each_network(const Body& body) const {
  if (arenas_.size() < static_cast<std::size_t>(threads())) arenas_.resize(static_cast<std::size_t>(threads()));
  parallel_workers(networks(), 1, [&](std::int64_t n, std::int64_t, int worker) {
    Arena& arena = arenas_[static_cast<std::size_t>(worker)];
    arena.reset();
    body(n, arena, worker == 0);
  });
}

template <class T, class Pointer>
std::span<Pointer> PopulationTrainer::pointers(const std::vector<T>& tensors, std::int64_t network,
                                               Arena& arena) const {
  std::span<Pointer> all{arena.allocate_array<Pointer>(tensors.size()), tensors.size()};
  for (std::size_t t = 0; t < all.size(); ++t)
    all[t] = tensors[t].template data<float>() + network * (tensors[t].numel() / networks());
  return all;
}

void PopulationTrainer::train_network(std::int64_t n, std::span<const std::int32_t> order, Arena& arena) {
  const TrainingRecipe& recipe = draws_.recipe(n);
  const std::span<float*> values = pointers<Tensor, float*>(weights_, n, arena),
                          first = pointers<Tensor, float*>(first_, n, arena),
                          second = pointers<Tensor, float*>(second_, n, arena);
  const NetworkWeights weights{const_cast<const float* const*>(values.data()), values.size()};
  // The gradient is one piece, tensor behind tensor.
  const std::int64_t numbers = model_.space().parameters();
  float* flat = arena.allocate_array<float>(static_cast<std::size_t>(numbers));
  const std::span<float*> gradient{arena.allocate_array<float*>(values.size()), values.size()};
  for (std::size_t t = 0, at = 0; t < gradient.size(); ++t) {
    gradient[t] = flat + at;
    at += static_cast<std::size_t>(weights_[t].numel() / networks());
  }
  UpdateRule rule_of_biases = recipe.rule;
  rule_of_biases.weight_decay = 0;

  const std::int64_t items = draws_.items(), at_once = plan().batch;
  for (std::int64_t s = 0; s < draws_.steps(); ++s) {
    const std::int64_t step = epochs_done() * draws_.steps() + s + 1, begin = s * at_once;
    const MiniBatch batch{
        train_,
        order.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(std::min(at_once, items - begin))),
        model_.image_of(draws_.number(n))};
    const double loss = model_.loss_and_gradient(weights, batch, draws_.dropout(n, step), gradient, arena);
    const float square = SerialTeam{}.sum<float>(numbers, [=](std::int64_t i) { return flat[i] * flat[i]; });
    if (!std::isfinite(loss) || !(square <= 1e30f)) {
      diverged_at_.data<std::int32_t>()[n] = static_cast<std::int32_t>(step);
      return;
    }
    const double rate = draws_.learning_rate(n, step);
    for (std::size_t t = 0; t < values.size(); ++t)
      update_range(is_weight(model_.space().tensors()[t]) ? recipe.rule : rule_of_biases, rate, step,
                   weights_[t].numel() / networks(), values[t], gradient[t], first.empty() ? nullptr : first[t],
                   second.empty() ? nullptr : second[t]);
  }
}

void PopulationTrainer::train_epoch(const std::function<void(std::int64_t)>& progress) {
  if (half_done_)
    throw UsageError("[population] epoch {} ended in an exception; go on from a saved state, resume()",
                     epochs_done() + 1);
  if (epochs_done() >= plan().epochs) throw UsageError("[population] all {} epochs are done", plan().epochs);
  half_done_ = true;
  if (device_) {
    device_->train_epoch(epochs_done(), {weights_, first_, second_, diverged_at_.span<std::int32_t>()}, progress);
  } else {
    std::atomic<std::int64_t> done = 0;
    std::vector<std::int32_t> of_all;
    if (draws_.one_order()) of_all = draws_.order(0, epochs_done());
    each_network([&](std::int64_t n, Arena& arena, bool calling_thread) {
      if (diverged_at(n) == 0 && draws_.one_order())
        train_network(n, of_all, arena);
      else if (diverged_at(n) == 0)
        train_network(n, draws_.order(n, epochs_done()), arena);
      ++done;
      if (calling_thread && progress) progress(done);
    });
  }
  ++*epochs_done_.data<std::int32_t>();
  if (held_out_) keep_best();
  half_done_ = false;
}

void PopulationTrainer::keep_best() {
  const std::vector<Score> scores = evaluate(*held_out_);
  for (std::int64_t n = 0; n < networks(); ++n) {
    double& best = best_accuracy_.data<double>()[n];
    const double accuracy = scores[static_cast<std::size_t>(n)].accuracy;
    if (!(accuracy > best)) continue;
    best = accuracy;
    best_epoch_.data<std::int32_t>()[n] = static_cast<std::int32_t>(epochs_done());
    for (std::size_t t = 0; t < best_.size(); ++t) best_[t][n].copy_from(weights_[t][n]);
  }
}

std::vector<Score> PopulationTrainer::evaluate(const std::vector<Tensor>& weights, const Dataset& data,
                                               const ItemLists& items) const {
  model_.check(data);
  if (device_) return device_->evaluate(weights, data, items);
  std::vector<Score> scores(static_cast<std::size_t>(networks()));
  const std::vector<std::int32_t> of_all = items.shared ? items.of(0) : std::vector<std::int32_t>{};
  each_network([&](std::int64_t n, Arena& arena, bool) {
    const std::span<const float*> values = pointers<Tensor, const float*>(weights, n, arena);
    const std::vector<std::int32_t> own = items.shared ? std::vector<std::int32_t>{} : items.of(n);
    scores[static_cast<std::size_t>(n)] =
        model_.evaluate(values, {data, items.shared ? of_all : own, model_.image_of(draws_.number(n))}, arena);
  });
  return scores;
}

std::vector<Score> PopulationTrainer::evaluate(const Dataset& data) const {
  return evaluate(weights_, data, all_items(model_, data));
}

std::vector<Score> PopulationTrainer::evaluate_share() const {
  return evaluate(weights_, train_, {false, [&](std::int64_t n) { return draws_.share(n); }});
}

std::vector<Score> PopulationTrainer::evaluate_best(const Dataset& data) const {
  return evaluate(best_, data, all_items(model_, data));
}

std::string PopulationTrainer::fallback() const { return device_ ? device_->fallback() : ""; }

std::vector<NamedTensor> PopulationTrainer::state() const {
  std::vector<NamedTensor> all;
  const std::pair<const char*, const std::vector<Tensor>&> groups[] = {
      {"weights", weights_}, {"first", first_}, {"second", second_}, {"best", best_}};
  for (const auto& [group, tensors] : groups)
    for (std::size_t t = 0; t < tensors.size(); ++t)
      all.push_back({fmt::format("{}.{}", group, model_.space().tensors()[t].name), tensors[t]});
  all.push_back({"epochs_done", epochs_done_});
  all.push_back({"diverged_at", diverged_at_});
  if (held_out_) {
    all.push_back({"best_epoch", best_epoch_});
    all.push_back({"best_accuracy", best_accuracy_});
  }
  return all;
}

void PopulationTrainer::resume(const SafeTensors& state) {
  std::vector<std::pair<Tensor, Tensor>> copies;  // from, to
  for (const auto& [name, own] : this->state()) {
    if (!state.contains(name)) throw FormatError("[population] the state has no '{}'", name);
    const Tensor saved = state.tensor(name);
    if (saved.dtype() != own.dtype())
      throw DtypeError("[population] state '{}' is {}; allowed: {}", name, weft::name(saved.dtype()),
                       weft::name(own.dtype()));
    if (saved.shape() != own.shape())
      throw ShapeError("[population] state '{}' has shape {}; allowed: {}", name, saved.shape().str(),
                       own.shape().str());
    copies.emplace_back(saved, own);
  }
  check_numbers(state);
  for (const auto& [from, to] : copies) to.copy_from(from);
  half_done_ = false;
}

void PopulationTrainer::check_numbers(const SafeTensors& state) const {
  const auto in = [](const std::string& name, auto x, auto low, auto high) {
    if (!(low <= x && x <= high))
      throw FormatError("[population] state '{}' holds {}; allowed: {} to {}", name, x, low, high);
  };
  const std::int64_t epochs = state.tensor("epochs_done").data<std::int32_t>()[0];
  in("epochs_done", epochs, std::int64_t{0}, plan().epochs);
  for (const std::int64_t step : state.tensor("diverged_at").span<std::int32_t>())
    in("diverged_at", step, std::int64_t{0}, epochs * draws_.steps());
  if (held_out_) {
    for (const std::int64_t epoch : state.tensor("best_epoch").span<std::int32_t>())
      in("best_epoch", epoch, std::int64_t{0}, epochs);
    for (const double accuracy : state.tensor("best_accuracy").span<double>())
      if (accuracy != -1) in("best_accuracy", accuracy, 0., 1.);  // -1: before the first epoch
  }
  constexpr float largest = std::numeric_limits<float>::max();
  for (const auto& [name, own] : this->state())
    if (own.dtype() == DType::f32)
      for (const float x : state.tensor(name).span<float>()) in(name, x, -largest, largest);
}

std::optional<int> checkpoint_after(const TrainingPlan& plan, std::int64_t epoch) {
  std::optional<int> largest;
  for (const int percent : plan.percents)
    if (epoch == (plan.epochs * percent + 99) / 100) largest = std::max(percent, largest.value_or(percent));
  return largest;
}

void train_population(PopulationTrainer& trainer, const Dataset& test, const TrainingCallbacks& callbacks) {
  const std::int64_t epochs = trainer.plan().epochs, total = epochs * trainer.networks();
  while (trainer.epochs_done() < epochs) {
    const std::int64_t before = trainer.epochs_done() * trainer.networks();
    trainer.train_epoch([&](std::int64_t done) {
      if (callbacks.progress) callbacks.progress(before + done, total);
    });
    if (const auto percent = checkpoint_after(trainer.plan(), trainer.epochs_done()); percent && callbacks.checkpoint)
      callbacks.checkpoint({false, *percent, trainer.implicit() ? std::vector<Score>{} : trainer.evaluate_share(),
                            trainer.evaluate(test)});
    if (trainer.epochs_done() == epochs && trainer.keeps_best() && callbacks.checkpoint)
      callbacks.checkpoint({true, 0, {}, trainer.evaluate_best(test)});
    if (callbacks.progress) callbacks.progress(trainer.epochs_done() * trainer.networks(), total);
    if (callbacks.epoch) callbacks.epoch();
  }
}

}  // namespace weft
