#pragma once

#include <string>
#include <vector>

#include "weft/apps/command.h"

namespace weft::apps {

struct ReportOptions {
  std::string zoo, title = "weft: networks that read networks";
  std::vector<std::string> runs{};
  OutputOption out;
  bool allow_trained_on = false;
  std::vector<std::pair<std::string, double>> seconds{};  ///< of the parts of a demo
};

/// One HTML page about a zoo and the models trained on it.
int report(const ReportOptions& options, const Common& common);

}  // namespace weft::apps
