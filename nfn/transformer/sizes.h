#pragma once
// Sizes and memory layout shared by the schedules of Transformer-NFN's E and I (spec 3). All numbers of one network are
// contiguous; a batch is network after network.

#include "weft/core/error.h"
#include "weft/groups/space.h"
#include "weft/nfn/schedule.h"
#include "weft/nfn/transformer/block.h"

namespace weft::transformer {

using namespace schedule;

/// Reads the sizes of a block from its space. Throws UsageError for a space that is not that of one block.
Sizes block_sizes(const char* who, const Space& space, std::int64_t d, std::int64_t e);

}  // namespace weft::transformer
