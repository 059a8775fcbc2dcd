// Copy bandwidth, and the optimisers' pass, which is to run at it.

#include <cstring>

#include <fmt/format.h>

#include "weft/bench/harness.h"
#include "weft/core/parallel.h"
#include "weft/nn/optim.h"

namespace weft::bench {

void memory_cases(Harness& harness) {
  constexpr std::int64_t n = 64 << 20;
  const std::string copy = "memory copy 64 MiB";
  if (harness.wants(copy)) {
    Tensor x = Tensor::zeros({n}, DType::u8), y = Tensor::zeros({n}, DType::u8);
    const auto* from = x.data<std::uint8_t>();
    auto* to = y.data<std::uint8_t>();
    harness.measure(copy, {0, 2. * n}, [&] {
      parallel_blocks(n, 1 << 20, [&](std::int64_t begin, std::int64_t end) {
        std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin));
      });
    });
  }
  for (const UpdateRule& rule : {UpdateRule::adam(), UpdateRule::sgd(0.9), UpdateRule::sgd()}) {
    constexpr std::int64_t numbers = 16 << 20;
    const std::string name = fmt::format("memory optimiser {} 16M", weft::name(rule.kind));
    if (!harness.wants(name)) continue;
    Parameters parameters;
    parameters.add("w", {numbers}, Init::normal(1));
    parameters.allocate(DType::f32, RandomKey(3, "bench"));
    fill_normal(parameters.flat_grads(), RandomKey(4, "bench"));
    Optimiser optimiser(parameters, rule);
    // Values and states are read and written, gradients read.
    harness.measure(name, {0, (12. + 8 * states(rule.kind)) * numbers}, [&] {
      parameters.gradients_given();
      optimiser.step(1e-3);
    });
  }
}

}  // namespace weft::bench
