#pragma once
// Transformer-NFN's layers of many sizes, for the tests of their schedules.

#include <fmt/format.h>

#include "weft/nfn/transformer/equivariant.h"
#include "weft/nfn/transformer/invariant.h"
#include "weft/tests/layer_checks.h"

namespace weft::testing {

struct BlockCase {
  TransformerShape block;  ///< D, D_A, h, Dk, Dv
  std::int64_t d, e, batch;
};

// Sizes that nothing ties together, ones among them; batches around the width of a vector, and beyond what a device
// holds of them in registers.
inline const std::vector<BlockCase> block_cases = {
    {{4, 6, 2, 2, 2}, 2, 3, 5},       {{6, 5, 3, 4, 2}, 3, 2, 1},   {{1, 1, 1, 1, 1}, 1, 1, 1},
    {{5, 1, 2, 3, 1}, 2, 1, 17},      {{1, 7, 1, 1, 5}, 1, 4, 3},   {{9, 4, 1, 5, 7}, 4, 5, 16},
    {{32, 64, 2, 16, 16}, 1, 10, 16}, {{3, 17, 4, 1, 6}, 5, 2, 33}, {{16, 24, 2, 8, 8}, 10, 10, 4},
    {{7, 3, 2, 2, 3}, 2, 12, 40},     {{12, 2, 1, 3, 2}, 9, 1, 2},
};

inline std::string text(const BlockCase& c) {
  const TransformerShape& b = c.block;
  return fmt::format("D {} D_A {} h {} Dk {} Dv {}, d {} e {} batch {}", b.D, b.D_A, b.h, b.Dk, b.Dv, c.d, c.e,
                     c.batch);
}

template <class Made>
Made made(const BlockCase& c) {
  return Made(Module(), "layer", transformer_space(c.block, false), c.d, c.e);
}

/// The list by its interpreter, with the activation as an op of its own on the tensors without GL axes.
inline Layer listed(const TermList& list, std::int64_t e, const LayerInput& input) {
  return [&list, e, input](std::span<const Var> x, std::span<const Var> learned) {
    Vars read(x.begin(), x.end());
    if (input.activation)
      for (std::size_t t = 4; t < read.size(); ++t) read[t] = unary(*input.activation, read[t]);
    return reference(list, e)(read, learned);
  };
}

}  // namespace weft::testing
