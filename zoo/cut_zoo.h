#pragma once

#include "weft/zoo/store_format.h"

namespace weft::zoo_format {

/// Writes an unfinished part of a zoo, in the folder `from`, as several: `to` is where each of the `ranges` goes. A
/// state of its training has tensors with a row for each network, and others, which all of them get. What lies at the
/// places is replaced; `from` stays.
void cut_part(const std::filesystem::path& from, const ZooDescription& description, std::span<const ZooRange> ranges,
              std::span<const std::filesystem::path> to);

}  // namespace weft::zoo_format
