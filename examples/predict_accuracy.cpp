// The main job, thin: train small networks, then predict their accuracy from their weights alone, also when the
// networks are moved by group elements that leave their functions as they are.
//     predict_accuracy [--data DIR]     DIR holds MNIST's IDX files; without it, digits are drawn

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>

#include <fmt/format.h>

#include "weft/weft.h"

using namespace weft;

namespace {

constexpr std::uint64_t seed = 1;
constexpr std::int64_t networks = 200, trained_on = 140, channels = 8, batch = 8, epochs = 60;

/// MAGEP: a derived linear layer lifts every weight to some channels, E mixes neighbouring layers, I makes one
/// invariant vector of a network, and an Mlp reads the accuracy from it (logits).
class Predictor {
 public:
  explicit Predictor(const Space& space)
      : space_(space),
        lift_(parameters_, "lift", space, space, derive_linear(space, space), 1, channels),
        equivariant_(parameters_, "E", space, space, magep_equivariant_terms(3), channels, channels),
        invariant_(parameters_, "I", space, Space::parse("y"), magep_invariant_terms(3), channels, channels),
        head_(parameters_, "head", {channels, 64, 1}) {
    parameters_.allocate(DType::f32, Key(seed, "predictor"));
  }

  Parameters& parameters() { return parameters_; }

  /// weights: one tensor of the space per entry, [B, 1, …]  ->  [B]
  Var operator()(Tape& tape, const std::vector<Tensor>& weights) const {
    std::vector<Var> x, y(weights.size());
    for (std::size_t t = 0; t < weights.size(); ++t)
      x.push_back(tape.constant(weights[t], space_.type(static_cast<int>(t)), space_.tensors()[t].name));
    for (const TermLayer* layer : {&lift_, &equivariant_}) {
      (*layer)(parameters_, x, y);
      std::transform(y.begin(), y.end(), x.begin(), [](const Var& v) { return relu(v); });
    }
    Var features[1];
    invariant_(parameters_, x, features);
    return reshape(head_(parameters_, features[0]), {weights[0].dim(0)});
  }

 private:
  Space space_;
  Parameters parameters_;
  TermLayer lift_, equivariant_, invariant_;
  Mlp head_;
};

/// The networks [begin, end) of a population.
std::vector<Tensor> some(const std::vector<Tensor>& weights, std::int64_t begin, std::int64_t end) {
  std::vector<Tensor> out;
  for (const Tensor& w : weights) out.push_back(w.slice(begin, end));
  return out;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int run(int argc, char** argv) {
  if (argc != 1 && !(argc == 3 && std::string(argv[1]) == "--data"))
    throw UsageError("usage: {} [--data DIR]", argv[0]);
  auto clock = std::chrono::steady_clock::now();
  const bool real = argc == 3;
  const Dataset all = averaged(real ? load_mnist(argv[2], "train") : draw_glyphs(10000, Key(seed, "train")), 4);
  const Dataset test = averaged(real ? load_mnist(argv[2], "t10k") : draw_glyphs(2000, Key(seed, "test")), 4);
  const Dataset train{all.name, all.images.slice(0, 10000), all.labels.slice(0, 10000), all.classes};
  fmt::print("data        {} {}x{}, {} to train on, {} to test on: {:.1f} s\n", train.name, train.rows(),
             train.columns(), train.items(), test.items(), seconds_since(clock));

  clock = std::chrono::steady_clock::now();
  const PopulationConfig config{.widths = {49, 16, 16, 10}, .seed = seed};
  Progress zoo_bar("zoo", config.epochs * 313, "steps", stderr);
  const Population zoo = train_population(train, test, draw_recipes(networks, Key(seed, "recipes")), config,
                                          [&](std::int64_t done, std::int64_t) { zoo_bar.update(done); });
  zoo_bar.finish();
  std::vector<double> sorted = zoo.accuracy;
  std::sort(sorted.begin(), sorted.end());
  fmt::print("zoo         {} networks 49-16-16-10, accuracy {:.2f} .. {:.2f} .. {:.2f}: {:.1f} s\n", networks,
             sorted.front(), sorted[sorted.size() / 2], sorted.back(), seconds_since(clock));

  clock = std::chrono::steady_clock::now();
  Predictor predictor(zoo.space);
  Optimiser adam(predictor.parameters(), UpdateRule::adam());
  Arena arena;
  Tape tape(arena);
  const std::vector<float> truth(zoo.accuracy.begin(), zoo.accuracy.end());
  const Tensor accuracy = Tensor::from<float>(truth, {networks});
  Progress train_bar("predictor", epochs, "epochs", stderr);
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    const auto order = permutation(trained_on, Key(seed, "order").at(static_cast<std::uint64_t>(epoch)));
    for (std::int64_t at = 0; at + batch <= trained_on; at += batch) {
      const Tensor picked =
          Tensor::from<std::int32_t>(std::span(order).subspan(static_cast<std::size_t>(at), batch), {batch});
      std::vector<Tensor> weights;
      for (const Tensor& w : zoo.weights) weights.push_back(gather(tape.constant(w), 0, picked).value());
      const Tensor target = gather(tape.constant(accuracy), 0, picked).value();
      tape.backward(mean_all(binary_cross_entropy_with_logits(predictor(tape, weights), target)));
      adam.step(1e-3);
      tape.reset();
    }
    train_bar.update(epoch + 1);
  }
  train_bar.finish();
  fmt::print("predictor   {} parameters, {} epochs on {} networks: {:.1f} s\n",
             predictor.parameters().trained_numbers(), epochs, trained_on, seconds_since(clock));

  clock = std::chrono::steady_clock::now();
  const std::vector<double> judged(zoo.accuracy.begin() + trained_on, zoo.accuracy.end());
  auto tau = [&](const std::vector<Tensor>& weights) {
    const Var y = predictor(tape, weights);
    const std::vector<double> predicted(y.value().span<float>().begin(), y.value().span<float>().end());
    tape.reset();
    return kendall_tau_b(predicted, judged);
  };
  const std::vector<Tensor> rest = some(zoo.weights, trained_on, networks);
  std::vector<Tensor> moved;
  for (const Tensor& w : rest) moved.push_back(w.clone());
  for (std::int64_t n = 0; n < networks - trained_on; ++n) {
    const Element g = Element::random(zoo.space, Key(seed, "moved").at(static_cast<std::uint64_t>(n)));
    for (std::size_t t = 0; t < rest.size(); ++t)
      moved[t].slice(n, n + 1).copy_from(act(g, static_cast<int>(t), rest[t].slice(n, n + 1)));
  }
  fmt::print(
      "tau-b       {:.3f} as they are, {:.3f} moved by random permutations and scales ({:.3f} is the ceiling): {:.1f} "
      "s\n",
      tau(rest), tau(moved), kendall_ceiling(judged), seconds_since(clock));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
