#pragma once
// Parts of a zoo, joined.

#include <functional>

#include "weft/zoo/store.h"

namespace weft {

/// The zoo of which `parts` are the parts, in any order: the bytes that one process writes. Throws UsageError for a
/// folder that is no part, parts of different zoos (naming the first difference), parts that overlap, and networks that
/// are in none; FormatError for one that is damaged; what ZooWriter throws. Holds one checkpoint of all networks.
void merge_zoo(std::span<const std::filesystem::path> parts, const std::filesystem::path& folder,
               ZooWriter::Existing existing = ZooWriter::Existing::refuse);

/// The same for a zoo, or a larger part, whose description is known. `after_shard` is called now and then.
void merge_zoo(std::span<const std::filesystem::path> parts, const std::filesystem::path& folder,
               const ZooDescription& description, ZooWriter::Existing existing,
               const std::function<void()>& after_shard = {});

}  // namespace weft
