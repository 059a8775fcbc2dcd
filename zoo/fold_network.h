#pragma once
// The network in a file with its norms in what reads them: the same function, and a larger group (spec 8.9).

#include <map>
#include <string>
#include <vector>

#include "weft/zoo/network_file.h"

namespace weft {

struct FoldedNetwork {
  NetworkFile network;                 ///< saved with the file's names, types and order
  std::vector<std::string> done;       ///< what was folded, in words
  std::vector<std::string> left;       ///< what stays, and why
  std::map<std::string, Json> config;  ///< what its config says now: "tie_word_embeddings", false
};

/// Of a network that was read from a file. Throws UsageError for one that is folded already, or whose text says no
/// folds of what it has; what NetworkSource::require_known() and fold() of networks/files/fold.h throw.
FoldedNetwork fold(const NetworkFile& network);

}  // namespace weft
