#pragma once

#include "weft/apps/command.h"
#include "weft/zoo/zoo_request.h"

namespace weft::apps {

/// A request whose messages speak of options.
CompleteZooRequest completed_options(const ZooRequest& request);

struct ShowOptions {
  std::string zoo;
};
int show_zoo(const ShowOptions& options, const Common& common);
/// What it would cost, measured in a moment.
int show_cost(CompleteZooRequest request, const Common& common);
struct MergeOptions {
  std::vector<std::string> parts;
  OutputOption out;
};
int merge_parts(const MergeOptions& options, const Common& common);
/// Of the seed that all verbs have, on their device.
int make_zoo(const OutputOption& out, CompleteZooRequest request, const Common& common);

}  // namespace weft::apps
