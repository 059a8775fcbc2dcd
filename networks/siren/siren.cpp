// Implicit networks as an architecture of zoos: SIREN 2-32-32-c, one an image, fitted to its pixels (spec 9.2).

#include "weft/networks/architecture.h"
#include "weft/networks/siren/siren_population.h"

namespace weft {

extern const InputArchitecture siren_architecture{
    .name = "siren",
    .text = "implicit networks (SIREN), each of which stores one image",
    .texts = false,
    .settings = {{.name = "views",
                  .text = "networks that store the same image, each from a start of its own",
                  .usual = 1,
                  .low = 1,
                  .high = 1000,
                  .why = "each is trained"},
                 {.name = "start", .text = "of the networks", .usual = "random", .allowed = {"random", "shared"}},
                 {.name = "neurons",
                  .text = "of both hidden layers",
                  .usual = 32,
                  .low = 1,
                  .high = 1024,
                  .why = "a layer has neurons x neurons numbers"}},
    .usual = {.networks = 0, .items = 1000, .test_items = 0, .epochs = 30, .batch = 98},
    .training = {.rates = TrainingPlan::Rates::cosine, .percents = {100}},
    .make = [](const Settings& settings, const Dataset& data, std::int64_t batch) -> std::unique_ptr<PopulationModel> {
      const std::int64_t pixels = data.rows() * data.columns();
      if (batch > pixels)
        throw UsageError("[siren] a step of {} pixels of images of {}x{}; allowed: 1 to {}, all that an image has",
                         batch, data.rows(), data.columns(), pixels);
      return std::make_unique<SirenPopulation>(SirenShape{.channels = data.channels(),
                                                          .rows = data.rows(),
                                                          .columns = data.columns(),
                                                          .width = settings.whole("neurons"),
                                                          .views = settings.whole("views"),
                                                          .shared_start = settings.text("start") == "shared"});
    },
    // The same of all networks: what tells them apart is their image, and their start.
    .recipes =
        [](std::int64_t networks, std::int64_t, RandomKey) {
          return std::vector<TrainingRecipe>(static_cast<std::size_t>(networks),
                                             {.rule = UpdateRule::adam(), .learning_rate = 3e-3});
        }};

}  // namespace weft
