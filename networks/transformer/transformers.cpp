// Small transformers as architectures of zoos, after the protocol of spec 6: on images in patches, and on texts.

#include <fmt/format.h>

#include "weft/networks/architecture.h"
#include "weft/networks/transformer/transformer_population.h"

namespace weft {
namespace {

/// Checkpoints after 50, 75 and 100 % of the epochs, and of the best epoch.
const TrainingPlan training{
    .epochs = 20, .batch = 128, .rates = TrainingPlan::Rates::warmup_cosine, .percents = {50, 75, 100}};

const Setting residual{.name = "residual", .text = "with a residual stream", .usual = false};

std::unique_ptr<PopulationModel> make(const Settings& settings, const Dataset& data, std::int64_t batch) {
  TransformerArchitecture a;
  a.classes = data.classes;
  a.residual = settings.flag("residual");
  if (data.texts()) {
    a.patch = 0;
    a.length = data.tokens.dim(1);
    a.pad_batch = settings.text("pad") == "batch" ? batch : 0;
  } else {
    a.channels = data.channels();
    a.image_rows = data.rows();
    a.image_columns = data.columns();
  }
  return std::make_unique<TransformerPopulation>(a);
}

std::vector<TrainingRecipe> recipes(std::int64_t networks, std::int64_t, RandomKey key) {
  return draw_training_recipes(RecipeGrid{}, 0, networks, key);
}

}  // namespace

ArchitectureFacts TransformerPopulation::facts() const {
  ArchitectureFacts facts{"transformer", "relu", {}};
  const TransformerArchitecture& a = architecture_;
  if (a.patch == 0) facts.settings["padding"] = a.pad_batch > 0 ? "batch" : fmt::format("to {}", a.length);
  if (a.residual) facts.settings["residual"] = "yes";
  return facts;
}

extern const InputArchitecture vit_architecture{
    .name = "vit",
    .text = "small transformers on images in patches",
    .texts = false,
    .settings = {residual},
    .usual = {.networks = 300, .items = 10000, .test_items = 10000, .epochs = 20, .batch = 128, .held_out = 1000},
    .training = training,
    .make = make,
    .recipes = recipes,
    .grid = RecipeGrid{}};
extern const InputArchitecture text_architecture{
    .name = "text",
    .text = "small transformers on texts",
    .texts = true,
    .settings = {residual,
                 {.name = "pad",
                  .text = "texts have 64 words, or as many as the longest of a batch, up to 512",
                  .usual = "fixed",
                  .allowed = {"fixed", "batch"}}},
    .usual = {.networks = 200, .items = 6000, .test_items = 1600, .epochs = 20, .batch = 128, .held_out = 1000},
    .training = training,
    .make = make,
    .recipes = recipes,
    .grid = RecipeGrid{}};

}  // namespace weft
