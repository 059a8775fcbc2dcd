#pragma once

#include <memory>

#include "weft/apps/command.h"
#include "weft/zoo/dataset.h"

namespace weft::apps {

struct ZooMakeOptions {
  OutputOption out;
  std::string data = "glyphs", data_dir, activation = "relu";
  std::int64_t networks = 300, images = 3000, test_images = 2000, epochs = 8, batch = 32;
};

struct TrainAndTest {
  Dataset train, test;
};
/// The data sets of a zoo: the first `images` of the training set and `test_images` of the test set.
TrainAndTest load_data(const ZooMakeOptions& options, std::uint64_t seed);

int make_zoo(const ZooMakeOptions& options, const Common& common);

}  // namespace weft::apps
