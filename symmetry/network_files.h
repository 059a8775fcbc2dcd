#pragma once
// Do two network files hold the same function?

#include <filesystem>
#include <utility>

#include "weft/symmetry/network.h"
#include "weft/zoo/network_file.h"

namespace weft {

/// How each of two files is to be read: as `given` says, but a config beside one of them serves the other, too, where
/// there is none.
std::pair<NetworkReading, NetworkReading> readings_of_two(const std::filesystem::path& a,
                                                          const std::filesystem::path& b, const NetworkReading& given);

struct FileComparison {
  double tolerance = 1e-4;  ///< relative difference that counts as none; files are float32
  bool after_norm = false;  ///< attention alone: tokens come from a LayerNorm without affine part
};

struct FileEquivalence {
  NetworkEquivalence found;
  bool folded = false;  ///< what was found is of the networks with their norms and shifts folded (spec 8.9)
};

/// As compare_networks(), or of attention alone (attention_space()) as compare_attention() does; where the files are
/// not the same as they are, also folded, as far as their texts say folds. Throws UsageError for networks of sines, and
/// for after_norm of other networks; FormatError for two spaces; what those throw.
FileEquivalence compare_network_files(const NetworkFile& a, const NetworkFile& b, const FileComparison& options = {});

}  // namespace weft
