#include "weft/zoo/population_trainer.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>

#include "weft/core/parallel.h"
#include "weft/core/team.h"
#include "weft/nn/schedule.h"

namespace weft {
namespace {

void require_valid(const TrainingRecipe& recipe) {
  require_valid(recipe.rule);
  auto require = [](const char* what, double value, bool fits, const char* allowed) {
    if (!fits) throw UsageError("[population] {} {}; allowed: {}", what, value, allowed);
  };
  require("learning rate", recipe.learning_rate, recipe.learning_rate >= 0 && std::isfinite(recipe.learning_rate),
          "0 or more");
  require("init_std", recipe.init_std, recipe.init_std >= 0 && std::isfinite(recipe.init_std), "0 or more");
  require("init_cut", recipe.init_cut, recipe.init_cut >= 2 * recipe.init_std, "twice init_std or more");
  require("dropout", recipe.dropout, recipe.dropout >= 0 && recipe.dropout < 0.99, "0 or more, below 0.99");
  require("share", recipe.share, recipe.share > 0 && recipe.share <= 1, "above 0, at most 1");
}

std::vector<std::int32_t> all_items(const Dataset& data) {
  std::vector<std::int32_t> all(static_cast<std::size_t>(data.items()));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

/// Weights decay and start at random; tensors with one axis are biases.
bool is_weight(const SpaceTensor& tensor) { return tensor.axes.size() > 1; }

}  // namespace

PopulationTrainer::PopulationTrainer(const PopulationModel& model, const Dataset& train,
                                     std::vector<TrainingRecipe> recipes, const TrainingPlan& plan,
                                     const Dataset* held_out)
    : model_(model), train_(train), recipes_(std::move(recipes)), plan_(plan), held_out_(held_out) {
  model.check(train);
  if (held_out) model.check(*held_out);
  if (plan.epochs < 1 || plan.batch < 1 || plan.first_network < 0)
    throw UsageError("[population] {} epochs, batch {}, first network {}; allowed: 1, 1, 0 or more", plan.epochs,
                     plan.batch, plan.first_network);
  for (int percent : plan.percents)
    if (percent < 1 || percent > 100)
      throw UsageError("[population] a checkpoint after {} % of the epochs; allowed: 1 to 100", percent);
  if (train.items() < 1 || (held_out && held_out->items() < 1))
    throw UsageError("[population] '{}' has no items", train.name);
  int slots = 0;
  for (const TrainingRecipe& recipe : recipes_) {
    require_valid(recipe);
    slots = std::max(slots, states(recipe.rule.kind));
  }
  epochs_done_ = Tensor::zeros({1}, DType::i32);
  diverged_at_ = Tensor::zeros({networks()}, DType::i32);
  const Space& space = model.space();
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    const Shape shape = space.feature_shape(t, networks(), 1);
    weights_.push_back(Tensor::zeros(shape, DType::f32));
    if (slots > 0) first_.push_back(Tensor::zeros(shape, DType::f32));
    if (slots > 1) second_.push_back(Tensor::zeros(shape, DType::f32));
    for (std::int64_t n = 0; n < networks() && is_weight(space.tensors()[static_cast<std::size_t>(t)]); ++n)
      draw_start(n, t);
    if (held_out) best_.push_back(weights_.back().clone());
  }
  if (held_out) {
    best_epoch_ = Tensor::zeros({networks()}, DType::i32);
    best_accuracy_ = Tensor::zeros({networks()}, DType::f64);
    best_accuracy_.fill(-1);
  }
  for (std::int64_t n = 0; n < networks(); ++n) {
    shares_.push_back(permutation(train.items(), key("share", n)));
    const double items = std::round(recipes_[static_cast<std::size_t>(n)].share * static_cast<double>(train.items()));
    shares_.back().resize(std::max<std::size_t>(1, static_cast<std::size_t>(items)));
    shares_.back().shrink_to_fit();
  }
}

void PopulationTrainer::draw_start(std::int64_t n, int tensor) {
  const TrainingRecipe& recipe = recipes_[static_cast<std::size_t>(n)];
  const Key of_tensor = key("init", n).at(model_.space().tensors()[static_cast<std::size_t>(tensor)].name);
  const Tensor start = weights_[static_cast<std::size_t>(tensor)][n];
  fill_normal(start, of_tensor, 0, recipe.init_std);
  const std::span<float> numbers = start.span<float>();
  for (std::size_t i = 0; i < numbers.size(); ++i)
    for (std::uint64_t again = 0; std::abs(static_cast<double>(numbers[i])) > recipe.init_cut; ++again)
      numbers[i] = static_cast<float>(recipe.init_std * normal(of_tensor.at("cut").at(i), again));
}

Key PopulationTrainer::key(const char* purpose, std::int64_t network) const {
  return Key(plan_.seed, purpose).at(static_cast<std::uint64_t>(plan_.first_network + network));
}

/// body(network, arena, whether this is the calling thread). Each thread takes the next network that is left: they
/// are independent, so it does not matter which thread gets which.
template <class Body>
void PopulationTrainer::each_network(const Body& body) const {
  if (arenas_.size() < static_cast<std::size_t>(threads())) arenas_.resize(static_cast<std::size_t>(threads()));
  std::atomic<std::int64_t> next = 0;
  parallel_blocks(threads(), 1, [&](std::int64_t worker, std::int64_t) {
    Arena& arena = arenas_[static_cast<std::size_t>(worker)];
    for (std::int64_t n = next++; n < networks(); n = next++) {
      arena.reset();
      body(n, arena, worker == 0);
    }
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

/// Passes over the network's share, each in an order of its own, until it has seen as many items as the data has.
std::vector<std::int32_t> PopulationTrainer::order_of_epoch(std::int64_t n) const {
  const std::vector<std::int32_t>& share = shares_[static_cast<std::size_t>(n)];
  const auto items = static_cast<std::size_t>(train_.items());
  const Key of_epoch = key("order", n).at(static_cast<std::uint64_t>(epochs_done()));
  std::vector<std::int32_t> order;
  order.reserve(items);
  for (std::uint64_t pass = 0; order.size() < items; ++pass)
    for (std::int32_t place : permutation(static_cast<std::int64_t>(share.size()), of_epoch.at(pass)))
      if (order.size() < items) order.push_back(share[static_cast<std::size_t>(place)]);
  return order;
}

double PopulationTrainer::learning_rate(const TrainingRecipe& recipe, std::int64_t step, std::int64_t steps) const {
  const std::int64_t total = plan_.epochs * steps;
  return plan_.warmup_cosine ? WarmupCosine{recipe.learning_rate, 1e-5, total / 10, total}(step - 1)
                             : recipe.learning_rate;
}

void PopulationTrainer::train_network(std::int64_t n, Arena& arena) {
  const TrainingRecipe& recipe = recipes_[static_cast<std::size_t>(n)];
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

  const std::vector<std::int32_t> order = order_of_epoch(n);
  const auto items = static_cast<std::int64_t>(order.size()), steps = (items + plan_.batch - 1) / plan_.batch;
  for (std::int64_t s = 0; s < steps; ++s) {
    const std::int64_t step = epochs_done() * steps + s + 1, begin = s * plan_.batch;
    const MiniBatch batch{train_,
                          std::span(order).subspan(static_cast<std::size_t>(begin),
                                                   static_cast<std::size_t>(std::min(plan_.batch, items - begin)))};
    const Dropout dropout{recipe.dropout, key("dropout", n).at(static_cast<std::uint64_t>(step))};
    const double loss = model_.loss_and_gradient(weights, batch, dropout, gradient, arena);
    const float square = SerialTeam{}.sum<float>(numbers, [=](std::int64_t i) { return flat[i] * flat[i]; });
    if (!std::isfinite(loss) || !(square <= 1e30f)) {
      diverged_at_.data<std::int32_t>()[n] = static_cast<std::int32_t>(step);
      return;
    }
    const double rate = learning_rate(recipe, step, steps);
    for (std::size_t t = 0; t < values.size(); ++t)
      update_range(is_weight(model_.space().tensors()[t]) ? recipe.rule : rule_of_biases, rate, step,
                   weights_[t].numel() / networks(), values[t], gradient[t], first.empty() ? nullptr : first[t],
                   second.empty() ? nullptr : second[t]);
  }
}

void PopulationTrainer::train_epoch(const std::function<void(std::int64_t)>& progress) {
  if (epochs_done() >= plan_.epochs) throw UsageError("[population] all {} epochs are done", plan_.epochs);
  std::atomic<std::int64_t> done = 0;
  each_network([&](std::int64_t n, Arena& arena, bool calling_thread) {
    if (diverged_at(n) == 0) train_network(n, arena);
    ++done;
    if (calling_thread && progress) progress(done);
  });
  ++*epochs_done_.data<std::int32_t>();
  if (held_out_) keep_best();
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
                                               const std::vector<std::vector<std::int32_t>>& items) const {
  model_.check(data);
  std::vector<Score> scores(recipes_.size());
  each_network([&](std::int64_t n, Arena& arena, bool) {
    const std::span<const float*> values = pointers<Tensor, const float*>(weights, n, arena);
    const auto& own = items.size() == 1 ? items[0] : items[static_cast<std::size_t>(n)];
    scores[static_cast<std::size_t>(n)] = model_.evaluate(values, {data, own}, arena);
  });
  return scores;
}

std::vector<Score> PopulationTrainer::evaluate(const Dataset& data) const {
  return evaluate(weights_, data, {all_items(data)});
}

std::vector<Score> PopulationTrainer::evaluate_share() const { return evaluate(weights_, train_, shares_); }

std::vector<Score> PopulationTrainer::evaluate_best(const Dataset& data) const {
  return evaluate(best_, data, {all_items(data)});
}

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
  for (const auto& [name, own] : this->state()) {
    const Tensor saved = state.tensor(name);
    if (saved.dtype() != own.dtype())
      throw DtypeError("[population] state '{}' is {}; allowed: {}", name, weft::name(saved.dtype()),
                       weft::name(own.dtype()));
    own.copy_from(saved);
  }
}

void train_population(PopulationTrainer& trainer, const Dataset& test, const TrainingCallbacks& callbacks) {
  std::vector<int> percents = trainer.plan().percents;
  std::sort(percents.rbegin(), percents.rend());
  const std::int64_t epochs = trainer.plan().epochs, total = epochs * trainer.networks();
  while (trainer.epochs_done() < epochs) {
    const std::int64_t before = trainer.epochs_done() * trainer.networks();
    trainer.train_epoch([&](std::int64_t done) {
      if (callbacks.progress) callbacks.progress(before + done, total);
    });
    for (int percent : percents) {
      if (trainer.epochs_done() != (epochs * percent + 99) / 100 || !callbacks.checkpoint) continue;
      callbacks.checkpoint({false, percent, trainer.evaluate_share(), trainer.evaluate(test)});
      break;
    }
    if (trainer.epochs_done() == epochs && trainer.keeps_best() && callbacks.checkpoint)
      callbacks.checkpoint({true, 0, {}, trainer.evaluate_best(test)});
    if (callbacks.progress) callbacks.progress(trainer.epochs_done() * trainer.networks(), total);
    if (callbacks.epoch) callbacks.epoch();
  }
}

}  // namespace weft
