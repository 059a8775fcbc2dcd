#pragma once

#include <optional>

#include "weft/apps/command.h"
#include "weft/apps/trained_on.h"

namespace weft::apps {

struct EvalOptions {
  std::string model, zoo;
  OutputOption out;
  std::optional<int> split{};  ///< the model's when not given, as all that follow
  std::string checkpoint{};    ///< see chosen_checkpoint()
  bool allow_trained_on = false;
  int strongest = 4;  ///< of the elements that move the networks: scales up to 10^k, k = 0 … strongest
};

/// Judges a saved model on the test networks of a split (the chosen checkpoints, of all the last ones), as they are and
/// moved by random elements of their group, one element per network and strength.
Judged judge(const Reader& model, const Task& task, const Zoo& zoo, const JudgedOn& on, int strongest,
             std::uint64_t seed);

int eval(const EvalOptions& options, const Common& common);

}  // namespace weft::apps
