// Small CNNs as an architecture of zoos: three 3x3 convolutions with stride 2 and 16 channels, mean, dense layer.

#include "weft/networks/architecture.h"
#include "weft/networks/cnn/cnn_population.h"
#include "weft/ops/pointwise.h"

namespace weft {
namespace {

std::unique_ptr<PopulationModel> make(const Settings& settings, const Dataset& data, std::int64_t) {
  CnnArchitecture a;
  a.image_rows = data.rows();
  a.image_columns = data.columns();
  a.widths.front() = data.channels();
  a.widths.back() = data.classes;
  a.activation = settings.text("activation") == "tanh" ? UnaryOp::Tanh : UnaryOp::Relu;
  return std::make_unique<CnnPopulation>(a);
}

}  // namespace

ArchitectureFacts CnnPopulation::facts() const { return {"cnn", traits(architecture_.activation).name, {}}; }

extern const InputArchitecture cnn_architecture{
    .name = "cnn",
    .text = "small CNNs",
    .texts = false,
    .settings = {{.name = "activation", .text = "of the layers", .usual = "relu", .allowed = {"relu", "tanh"}}},
    .usual = {.networks = 300, .items = 3000, .test_items = 2000, .epochs = 8, .batch = 32},
    .training = {},
    .make = make,
    .recipes = [](std::int64_t networks, std::int64_t steps, RandomKey key) {
      return draw_training_recipes(RecipeRanges{}.for_steps(steps), 0, networks, key);
    }};

}  // namespace weft
