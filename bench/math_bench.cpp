// The elementary functions on a million numbers, one thread, against libm called in a loop.

#include <cmath>

#include <fmt/format.h>

#include "weft/bench/harness.h"
#include "weft/core/isa.h"
#include "weft/core/random.h"
#include "weft/core/tensor.h"
#include "weft/tests/math_kernels.h"

namespace weft {
WEFT_ISA_TABLE(MathKernels, math_kernels)
}  // namespace weft

namespace weft::bench {

void math_cases(Harness& harness) {
  constexpr std::int64_t n = 1 << 20;
  Tensor x = Tensor::zeros({n}, DType::f32), y = Tensor::zeros({n}, DType::f32);
  const float* px = x.data<float>();
  float* py = y.data<float>();
  for (const auto& f : WEFT_FOR_ISA(math_kernels).of_float) {
    fill_uniform(x, RandomKey(2, "bench"), std::max(f.low, -10.), std::min(f.high, 10.));
    harness.measure(fmt::format("math weft {} 1M", f.name), {0, 8. * n}, [&] { f.run(px, py, n); });
  }
  auto libm = [&](const char* name, double low, auto function) {
    fill_uniform(x, RandomKey(2, "bench"), low, 10);
    harness.measure(fmt::format("math libm {} 1M", name), {0, 8. * n}, [&] {
      for (std::int64_t i = 0; i < n; ++i) py[i] = function(px[i]);
    });
  };
  libm("exp", -10, [](float v) { return std::exp(v); });
  libm("log", 0, [](float v) { return std::log(v); });
  libm("sin", -10, [](float v) { return std::sin(v); });
  libm("tanh", -10, [](float v) { return std::tanh(v); });
  libm("erf", -5, [](float v) { return std::erf(v); });
}

}  // namespace weft::bench
