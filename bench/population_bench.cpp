// Training of a population of small networks, one epoch per call. bench/population_torch.py trains such networks one
// after the other; bench/siren_torch.py fits implicit networks by batched products.

#include <fmt/format.h>

#include "weft/bench/harness.h"
#include "weft/networks/cnn/cnn_population.h"
#include "weft/networks/population/population_trainer.h"
#include "weft/networks/siren/siren_population.h"
#include "weft/networks/transformer/transformer_population.h"

namespace weft::bench {
namespace {

constexpr std::int64_t items = 2048;

Dataset noise(std::int64_t channels, std::int64_t rows, std::int64_t columns) {
  Dataset data{"noise", Tensor::zeros({items, channels, rows, columns}, DType::f32), Tensor::zeros({items}, DType::i32),
               10};
  fill_uniform(data.images, RandomKey(4, "bench"), -1, 1);
  for (std::int64_t i = 0; i < items; ++i)
    data.labels.data<std::int32_t>()[i] = static_cast<std::int32_t>(i % data.classes);
  return data;
}

/// `population`: cnn or vit, and what is special about it.
template <class Model>
void population_case(Harness& harness, const std::string& population, const Model& model, const Dataset& data,
                     std::int64_t batch, double dropout) {
  constexpr std::int64_t networks = 8;
  const std::int64_t of_each = model.items(data);
  const std::string full =
      fmt::format("population {} {}x{} {}", population, networks, of_each, model.implicit() ? "pixels" : "images");
  if (!harness.wants(full)) return;
  const std::vector<TrainingRecipe> recipes(static_cast<std::size_t>(networks),
                                            {.rule = UpdateRule::adam(), .learning_rate = 1e-3, .dropout = dropout});
  PopulationTrainer trainer(model, data, recipes, {.epochs = 1 << 20, .batch = batch});
  const auto seen = static_cast<double>(networks * of_each);
  harness.measure(full, {seen * model.training_flops(), 0, seen}, [&] { trainer.train_epoch(); });
  if (dropout == 0)  // which evaluation leaves out
    harness.measure("evaluation " + full, {seen * model.forward_flops(), 0, seen}, [&] { trainer.evaluate(data); });
}

void cnn_case(Harness& harness, const char* name, const CnnArchitecture& a, double dropout) {
  population_case(harness, fmt::format("cnn {}", name), CnnPopulation(a),
                  noise(a.widths[0], a.image_rows, a.image_columns), 32, dropout);
}

}  // namespace

void population_cases(Harness& harness) {
  cnn_case(harness, "relu", {}, 0);
  cnn_case(harness, "relu, dropout", {}, 0.25);
  cnn_case(harness, "tanh", {.activation = UnaryOp::Tanh}, 0);
  cnn_case(harness, "32x32x3", {.image_rows = 32, .image_columns = 32, .widths = {3, 16, 16, 16, 10}}, 0);
  population_case(harness, "siren 28x28", SirenPopulation({}), noise(1, 28, 28), 98, 0);
  population_case(harness, "siren 32x32x3", SirenPopulation({.channels = 3, .rows = 32, .columns = 32}),
                  noise(3, 32, 32), 128, 0);
  const TransformerPopulation transformer{TransformerArchitecture{}};
  population_case(harness, "vit", transformer, noise(1, 28, 28), 128, 0);
  population_case(harness, "vit, dropout", transformer, noise(1, 28, 28), 128, 0.1);
}

}  // namespace weft::bench
