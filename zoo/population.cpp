#include "weft/zoo/population.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "weft/autograd/tape.h"
#include "weft/core/parallel.h"
#include "weft/nn/losses.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"
#include "weft/zoo/networks.h"

namespace weft {
namespace {

/// Beyond this gradient norm a network counts as diverged: its next weights would not be finite for long.
constexpr double largest_norm = 1e15;

class Trainer {
 public:
  Trainer(const Dataset& train, const std::vector<NetworkRecipe>& recipes, const PopulationConfig& config)
      : train_(train),
        recipes_(recipes),
        config_(config),
        networks_(static_cast<std::int64_t>(recipes.size())),
        space_(mlp_space(config.widths, Kind::positive_monomial)),
        pixels_(train.images.numel() / std::max<std::int64_t>(train.items(), 1)),
        diverged_(recipes.size(), 0),
        tape_(arena_) {
    if (recipes.empty() || config.batch < 1 || config.epochs < 1)
      throw UsageError("[population] {} networks, batch {}, {} epochs; allowed: 1 or more of each", networks_,
                       config.batch, config.epochs);
    if (pixels_ != config.widths.front() || config.widths.back() != train.classes)
      throw ShapeError("[population] widths {}..{} for images of {} pixels and {} classes", config.widths.front(),
                       config.widths.back(), pixels_, train.classes);
    for (int t = 0; t < static_cast<int>(space_.tensors().size()); ++t) {
      const Shape shape = space_.feature_shape(t, networks_, 1);
      weights_.push_back(Tensor::zeros(shape, DType::f32));
      grads_.push_back(Tensor::zeros(shape, DType::f32));
      for (auto& state : states_) state.push_back(Tensor::zeros(shape, DType::f32));
      start(t);
    }
    batch_ = Tensor::zeros({networks_, 1, config.batch, pixels_}, DType::f32);
    labels_ = Tensor::zeros({networks_, 1, config.batch}, DType::i32);
  }

  std::int64_t steps_per_epoch() const { return (train_.items() + config_.batch - 1) / config_.batch; }

  /// Draws every network's order of the epoch: passes over its share, as many as fill an epoch.
  void begin_epoch(std::int64_t epoch) {
    const std::int64_t items = steps_per_epoch() * config_.batch;
    order_.resize(static_cast<std::size_t>(networks_ * items));
    parallel_blocks(networks_, 1, [&](std::int64_t n, std::int64_t) {
      const Key key = Key(config_.seed, "population").at(static_cast<std::uint64_t>(n));
      const auto all = permutation(train_.items(), key.at("share"));
      const double share = recipes_[static_cast<std::size_t>(n)].data_share;
      const auto own =
          std::max<std::int64_t>(1, static_cast<std::int64_t>(share * static_cast<double>(train_.items())));
      const Key pass_key = key.at("order").at(static_cast<std::uint64_t>(epoch));
      for (std::int64_t at = 0, pass = 0; at < items; ++pass)
        for (const std::int32_t i : permutation(own, pass_key.at(static_cast<std::uint64_t>(pass)))) {
          if (at == items) break;
          order_[static_cast<std::size_t>(n * items + at++)] = all[static_cast<std::size_t>(i)];
        }
    });
  }

  /// One step of every network that has not diverged. `step` counts from the start of training.
  void step(std::int64_t step) {
    const std::int64_t items = steps_per_epoch() * config_.batch, begin = step % steps_per_epoch() * config_.batch;
    gather(train_, [&](std::int64_t n, std::int64_t i) {
      return static_cast<std::int64_t>(order_[static_cast<std::size_t>(n * items + begin + i)]);
    });
    std::vector<Var> weights = leaves(true);
    const Var loss = cross_entropy(scores(weights), labels_);
    const Var sums = scale(sum(loss), 1 / static_cast<double>(config_.batch));
    Tensor ones = tape_.empty(sums.shape(), DType::f32);
    ones.fill(1);
    tape_.backward({&sums, 1}, {&ones, 1});
    for (std::size_t t = 0; t < weights.size(); ++t) grads_[t] = tape_.grad(weights[t]).value();
    parallel_blocks(networks_, 8, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t n = first; n < last; ++n) update(n, step + 1);
    });
    tape_.reset();
  }

  /// Share of right answers of every network on `data`.
  std::vector<double> accuracy(const Dataset& data) {
    std::vector<std::int64_t> right(recipes_.size(), 0);
    for (std::int64_t begin = 0; begin < data.items(); begin += config_.batch) {
      const std::int64_t count = std::min(config_.batch, data.items() - begin);
      gather(data, [&](std::int64_t, std::int64_t i) { return begin + std::min(i, count - 1); });
      const Var out = scores(leaves(false));
      const float* s = out.value().data<float>();
      const std::int64_t classes = out.shape()[3];
      for (std::int64_t n = 0; n < networks_; ++n)
        for (std::int64_t i = 0; i < count; ++i) {
          const float* row = s + (n * config_.batch + i) * classes;
          right[static_cast<std::size_t>(n)] +=
              std::max_element(row, row + classes) - row == labels_.data<std::int32_t>()[n * config_.batch + i];
        }
      tape_.reset();
    }
    std::vector<double> share;
    for (const std::int64_t r : right) share.push_back(static_cast<double>(r) / static_cast<double>(data.items()));
    return share;
  }

  Population result(std::vector<double> accuracy) {
    return {space_, weights_, std::move(accuracy), std::vector<bool>(diverged_.begin(), diverged_.end())};
  }

 private:
  /// Numbers of tensor `t` in one network.
  std::int64_t numbers(std::size_t t) const { return weights_[t].numel() / networks_; }

  void start(int tensor) {
    const Shape axes = space_.axes_shape(tensor);
    if (axes.rank() < 2) return;  // biases start at 0
    const auto t = static_cast<std::size_t>(tensor);
    for (std::int64_t n = 0; n < networks_; ++n) {
      const NetworkRecipe& recipe = recipes_[static_cast<std::size_t>(n)];
      fill_normal(weights_[t][n],
                  Key(config_.seed, "population").at(static_cast<std::uint64_t>(n)).at(space_.tensors()[t].name), 0,
                  recipe.init_std / std::sqrt(static_cast<double>(axes[1])));
    }
  }

  template <class Index>
  void gather(const Dataset& data, const Index& index) {
    const float* images = data.images.data<float>();
    const std::int32_t* labels = data.labels.data<std::int32_t>();
    float* to = batch_.data<float>();
    std::int32_t* to_label = labels_.data<std::int32_t>();
    parallel_blocks(networks_, 4, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t n = first; n < last; ++n)
        for (std::int64_t i = 0; i < config_.batch; ++i) {
          const std::int64_t from = index(n, i), at = n * config_.batch + i;
          std::memcpy(to + at * pixels_, images + from * pixels_, static_cast<std::size_t>(pixels_) * sizeof(float));
          to_label[at] = labels[from];
        }
    });
  }

  std::vector<Var> leaves(bool train) {
    std::vector<Var> vars;
    for (const Tensor& w : weights_) vars.push_back(train ? tape_.leaf(w) : tape_.constant(w));
    return vars;
  }

  Var scores(const std::vector<Var>& weights) {
    return mlp_forward(weights, tape_.constant(batch_), config_.activation,
                       traits(config_.activation).default_parameter);
  }

  void update(std::int64_t n, std::int64_t step) {
    const auto network = static_cast<std::size_t>(n);
    if (diverged_[network]) return;
    double square = 0;
    for (std::size_t t = 0; t < weights_.size(); ++t) {
      const float* g = grads_[t].data<float>() + n * numbers(t);
      for (std::int64_t i = 0; i < numbers(t); ++i) square += static_cast<double>(g[i]) * static_cast<double>(g[i]);
    }
    if (!(std::sqrt(square) < largest_norm)) {
      diverged_[network] = 1;
      return;
    }
    const NetworkRecipe& r = recipes_[network];
    for (std::size_t t = 0; t < weights_.size(); ++t) {
      const std::int64_t at = n * numbers(t);
      update_range(r.rule, r.learning_rate, step, numbers(t), weights_[t].data<float>() + at,
                   grads_[t].data<float>() + at, states_[0][t].data<float>() + at, states_[1][t].data<float>() + at);
    }
  }

  const Dataset& train_;
  const std::vector<NetworkRecipe>& recipes_;
  const PopulationConfig& config_;
  std::int64_t networks_;
  Space space_;
  std::int64_t pixels_;
  std::vector<Tensor> weights_, grads_, states_[2];
  std::vector<char> diverged_;  // written by several threads: no vector<bool>
  std::vector<std::int32_t> order_;
  Tensor batch_, labels_;
  Arena arena_;
  Tape tape_;
};

double log_uniform(Key key, double low, double high) {
  return std::exp(uniform(key, 0, std::log(low), std::log(high)));
}

}  // namespace

std::vector<NetworkRecipe> draw_recipes(std::int64_t networks, Key key) {
  std::vector<NetworkRecipe> recipes;
  for (std::int64_t n = 0; n < networks; ++n) {
    const Key own = key.at(static_cast<std::uint64_t>(n));
    NetworkRecipe r;
    const bool sgd = uniform(own.at("rule")) < 0.5;
    r.rule = sgd ? UpdateRule::sgd(log_uniform(own.at("momentum"), 1e-3, 0.9)) : UpdateRule::adam();
    r.learning_rate = sgd ? log_uniform(own.at("rate"), 1e-3, 0.5) : log_uniform(own.at("rate"), 1e-5, 3e-2);
    r.init_std = log_uniform(own.at("init"), 0.1, 3);
    constexpr double shares[] = {0.1, 0.25, 0.5, 1};
    r.data_share = shares[uniform_index(own.at("share"), 0, 4)];
    recipes.push_back(r);
  }
  return recipes;
}

Population train_population(const Dataset& train, const Dataset& test, const std::vector<NetworkRecipe>& recipes,
                            const PopulationConfig& config,
                            const std::function<void(std::int64_t, std::int64_t)>& progress) {
  Trainer trainer(train, recipes, config);
  const std::int64_t steps = config.epochs * trainer.steps_per_epoch();
  for (std::int64_t step = 0; step < steps; ++step) {
    if (step % trainer.steps_per_epoch() == 0) trainer.begin_epoch(step / trainer.steps_per_epoch());
    trainer.step(step);
    if (progress) progress(step + 1, steps);
  }
  return trainer.result(trainer.accuracy(test));
}

}  // namespace weft
