// Make a small zoo, or take the one whose folder is given, train a MAGEP network on it, and judge it on networks that
// it never saw, as they are and moved.

#include <cstdlib>
#include <exception>
#include <filesystem>

#include <fmt/format.h>

#include "weft/weft.h"
#include "weft/zoo.h"

using namespace weft;

int main(int argc, char** argv) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / fmt::format("weft-example-{}", std::rand());
  try {
    if (argc < 2)
      make_zoo(folder,
               ZooRequest{.networks = 60, .images = 1000, .test_images = 500, .epochs = 4, .batch = 32, .seed = 1});
    const Zoo zoo = Zoo::open(argc < 2 ? folder : std::filesystem::path(argv[1]));

    const auto model =
        make_reader("magep", {{"channels", 8}, {"hidden", 64}}, zoo.space(), DType::f32, RandomKey(1, "model"));
    auto examples = [&](ZooPart part) {
      const auto ids = zoo.ids(0, part);
      const auto weights = zoo.weights(ids);
      return Examples{part == ZooPart::train ? model->standardise(weights) : model->prepare(weights),
                      zoo.column(ids, "accuracy")};
    };
    const Examples training = examples(ZooPart::train);  // first: the model is standardised by them
    Fit fit(*model, {.epochs = 15, .patience = 15, .seed = 1}, training, examples(ZooPart::val));
    while (!fit.done()) fit.run_epoch();
    fit.take_best();

    const auto ids = zoo.ids(0, ZooPart::test);
    const Examples test = examples(ZooPart::test);
    std::vector<double> truth;
    std::vector<std::int64_t> networks;
    for (const std::int64_t id : ids) {
      truth.push_back(zoo.row(id).accuracy);
      networks.push_back(zoo.row(id).network);
    }
    const auto moved = moved_networks(zoo.space(), zoo.weights(ids), networks, 2, 1);
    const double as_is = kendall_tau_b(predict_outputs(*model, test.prepared), truth);
    const double after = kendall_tau_b(predict_outputs(*model, model->prepare(moved)), truth);
    fmt::print("tau-b of {} test networks: {:.3f}, moved by permutations and scales up to 100: {:.3f}\n", truth.size(),
               as_is, after);
  } catch (const std::exception& error) {
    fmt::print("{}\n", error.what());
    std::filesystem::remove_all(folder);
    return 1;
  }
  std::filesystem::remove_all(folder);
}
