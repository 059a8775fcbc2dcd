#pragma once

#include <memory>
#include <optional>

#include "weft/apps/command.h"
#include "weft/networks/architecture.h"

namespace weft::apps {

struct ZooMakeOptions {
  OutputOption out;
  std::string kind = input_architectures().front()->name, data, data_dir;
  Settings settings = architecture_settings(input_architectures().front()->name);  ///< of the kind
  /// What the kind has where nothing is said: see completed().
  std::optional<std::int64_t> networks, images, test_images, epochs, batch, held_out;
};

/// The options with what the kind has in all that was left out. Throws UsageError for data that the kind does not read,
/// and options that it does not have.
ZooMakeOptions completed(ZooMakeOptions options);

struct ShowOptions {
  std::string zoo;
};
int show_zoo(const ShowOptions& options, const Common& common);
/// The options are complete.
int make_zoo(const ZooMakeOptions& options, const Common& common);

}  // namespace weft::apps
