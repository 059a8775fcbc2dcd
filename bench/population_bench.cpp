// Training of a population of CNNs, one epoch per call. bench/population_torch.py trains such networks one after the
// other.

#include <fmt/format.h>

#include "weft/bench/harness.h"
#include "weft/zoo/cnn_population.h"
#include "weft/zoo/population_trainer.h"

namespace weft::bench {
namespace {

constexpr std::int64_t items = 2048, batch = 32;

Dataset noise(const CnnArchitecture& a) {
  Dataset data{"noise", Tensor::zeros({items, a.widths[0], a.image_rows, a.image_columns}, DType::f32),
               Tensor::zeros({items}, DType::i32), a.widths.back()};
  fill_uniform(data.images, Key(4, "bench"), -1, 1);
  for (std::int64_t i = 0; i < items; ++i)
    data.labels.data<std::int32_t>()[i] = static_cast<std::int32_t>(i % data.classes);
  return data;
}

void population_case(Harness& harness, const char* name, const CnnArchitecture& a, double dropout,
                     std::int64_t networks) {
  const std::string full = fmt::format("population cnn {} {}x{} images", name, networks, items);
  if (!harness.wants(full)) return;
  const CnnPopulation model(a);
  const Dataset data = noise(a);
  const std::vector<TrainingRecipe> recipes(static_cast<std::size_t>(networks),
                                            {.rule = UpdateRule::adam(), .learning_rate = 1e-3, .dropout = dropout});
  PopulationTrainer trainer(model, data, recipes, {.epochs = 1 << 20, .batch = batch});
  const auto images = static_cast<double>(networks * items);
  harness.measure(full, {images * model.training_flops(), 0, images}, [&] { trainer.train_epoch(); });
  if (dropout == 0)  // which evaluation leaves out
    harness.measure("evaluation " + full, {images * model.forward_flops(), 0, images}, [&] { trainer.evaluate(data); });
}

}  // namespace

void population_cases(Harness& harness) {
  population_case(harness, "relu", {}, 0, 8);
  population_case(harness, "relu, dropout", {}, 0.25, 8);
  population_case(harness, "tanh", {.activation = UnaryOp::Tanh}, 0, 8);
  population_case(harness, "32x32x3", {.image_rows = 32, .image_columns = 32, .widths = {3, 16, 16, 16, 10}}, 0, 8);
}

}  // namespace weft::bench
