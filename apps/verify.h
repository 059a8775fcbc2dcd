#pragma once

#include <filesystem>

#include "weft/apps/command.h"

namespace weft::apps {

struct VerifyOptions {
  std::string model, out{}, dtype = "float64";
  bool proof = false, force = false;
};

/// Checks that a saved model respects its group; prints a table and one PASS or FAIL line.
int verify(const VerifyOptions& options, const Common& common);

}  // namespace weft::apps
