// Kinds that are forward passes of input networks.

#include <fmt/format.h>

#include "weft/nfn/forward.h"
#include "weft/tests/golden/golden.h"

namespace weft::golden {
namespace {

/// A feature of one channel: [B, …] as [B, 1, …].
Var channel(const File& file, Run& run, const std::string& name) {
  const Shape& shape = file.data.shape("in." + name);
  Shape with_channel{shape[0], 1};
  for (int i = 1; i < shape.rank(); ++i) with_channel.push_back(shape[i]);
  return run.leaf("in." + name, with_channel);
}

std::string attention(const File& file, Run& run) {
  const Var x = channel(file, run, "X"), q = channel(file, run, "WQ"), k = channel(file, run, "WK"),
            v = channel(file, run, "WV"), o = channel(file, run, "WO");
  return run.compare({{"Y", attention_forward(x, q, k, v, o)}});
}

std::string transformer(const File& file, Run& run) {
  const int blocks = file.config.at("blocks");
  Var x = channel(file, run, "X");
  for (int b = 0; b < blocks; ++b) {
    std::vector<Var> weights;
    for (const char* name : {"WQ", "WK", "WV", "WO", "WA", "bA", "WB", "bB"})
      weights.push_back(channel(file, run, blocks == 1 ? name : fmt::format("{}.{}", name, b)));
    x = transformer_block_forward(weights, x, file.config.at("residual"));
  }
  return run.compare({{"Y", x}});
}

}  // namespace

std::map<std::string, Check> network_kinds() {
  return {{"attention.forward", attention}, {"transformer.forward", transformer}};
}

}  // namespace weft::golden
