// Copy bandwidth.

#include <cstring>

#include "weft/bench/harness.h"
#include "weft/core/parallel.h"
#include "weft/core/tensor.h"

namespace weft::bench {

void memory_cases(Harness& harness) {
  constexpr std::int64_t n = 64 << 20;
  if (harness.wants("copy")) {
    Tensor x = Tensor::zeros({n}, DType::u8), y = Tensor::zeros({n}, DType::u8);
    const auto* from = x.data<std::uint8_t>();
    auto* to = y.data<std::uint8_t>();
    harness.measure("copy 64 MiB", {0, 2. * n}, [&] {
      parallel_blocks(n, 1 << 20, [&](std::int64_t begin, std::int64_t end) {
        std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin));
      });
    });
  }
}

}  // namespace weft::bench
