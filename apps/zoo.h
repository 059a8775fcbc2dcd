#pragma once

#include <memory>
#include <optional>

#include "weft/apps/command.h"
#include "weft/data/dataset.h"

namespace weft::apps {

struct ZooMakeOptions {
  OutputOption out;
  std::string kind = "cnn", data, data_dir, activation = "relu", pad = "fixed";
  /// What the kind has where nothing is said: see defaults_of().
  std::optional<std::int64_t> networks, images, test_images, epochs, batch, held_out;
  bool residual = false;
};

struct TrainAndTest {
  Dataset train, test;
};
/// The options with what the kind has in all that was left out. Throws UsageError for data that the kind does not read,
/// and options that it does not have.
ZooMakeOptions completed(ZooMakeOptions options);

/// The data sets of a zoo: the first `images` of the training set and `test_images` of the test set. The options are
/// complete.
TrainAndTest load_data(const ZooMakeOptions& options, std::uint64_t seed);

struct ShowOptions {
  std::string zoo;
};
int show_zoo(const ShowOptions& options, const Common& common);
/// The options are complete.
int make_zoo(const ZooMakeOptions& options, const Common& common);

}  // namespace weft::apps
