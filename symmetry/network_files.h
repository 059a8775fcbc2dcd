#pragma once
// Do two network files hold the same function?

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "weft/symmetry/network.h"
#include "weft/zoo/network_file.h"

namespace weft {

/// How each of two files is to be read: as `given` says, but a config beside one of them serves the other, too, where
/// there is none.
std::pair<NetworkReading, NetworkReading> readings_of_two(const std::filesystem::path& a,
                                                          const std::filesystem::path& b, const NetworkReading& given);

struct FileComparison {
  /// Relative difference that counts as none. Else it follows from the type of numbers in the files that rounds most:
  /// 20 times what that changes a number by, and no less than 1e-4.
  std::optional<double> tolerance = {};
  bool after_norm = false;  ///< attention alone: tokens come from a LayerNorm without affine part
};

struct FileEquivalence {
  NetworkEquivalence found;
  bool folded = false;  ///< what was found is of the networks with their norms and shifts folded (spec 8.9)
  double tolerance = 0;
  NumberType coarsest = NumberType::f32;  ///< the type of both files that rounds most
  /// Tensors of both files that their spaces do not have, and that differ: then nobody can say `same`.
  std::vector<std::string> apart = {};
};

/// As compare_networks(), or of attention alone (attention_space()) as compare_attention() does; where the files are
/// not the same as they are, also folded, as far as their texts say folds. Throws UsageError for networks of sines, for
/// after_norm of other networks, and for files of 8-bit numbers without a tolerance; FormatError for two spaces; what
/// those throw.
FileEquivalence compare_network_files(const NetworkFile& a, const NetworkFile& b, const FileComparison& options = {});

}  // namespace weft
