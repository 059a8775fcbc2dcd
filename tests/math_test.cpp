#include "weft/core/math.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "weft/core/isa.h"
#include "weft/core/random.h"
#include "weft/tests/isa_levels.h"
#include "weft/tests/math_kernels.h"

namespace weft {
WEFT_ISA_TABLE(MathKernels, math_kernels)
}  // namespace weft

using namespace weft;
using namespace weft::testing;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
const double nan = std::nan("");

double reference(std::string_view name, double x) {
  if (name == "exp") return std::exp(x);
  if (name == "expm1") return std::expm1(x);
  if (name == "log") return std::log(x);
  if (name == "sin") return std::sin(x);
  if (name == "cos") return std::cos(x);
  if (name == "tanh") return std::tanh(x);
  if (name == "sigmoid") return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
  if (name == "erf") return std::erf(x);
  if (name == "sqrt") return std::sqrt(x);
  if (name == "rsqrt") return 1 / std::sqrt(x);
  return nan;
}

/// |got - expected| in units of the last place of a float of expected's size.
double ulps(float got, double expected) {
  if (std::isnan(expected) || std::isnan(got)) return std::isnan(expected) && std::isnan(got) ? 0 : infinity;
  const float rounded = static_cast<float>(expected);
  if (std::isinf(rounded) || std::isinf(got)) return rounded == got ? 0 : infinity;
  return std::abs(static_cast<double>(got) - expected) / std::ldexp(1., std::max(std::ilogb(expected), -126) - 23);
}

/// Every `stride`-th float of [low, high], in the order of their bits, and the ends.
std::vector<float> sweep(double low, double high, std::uint32_t stride) {
  std::vector<float> x{static_cast<float>(low), static_cast<float>(high)};
  for (std::uint64_t bits = 0; bits <= 0xffffffffu; bits += stride) {
    const float f = math::from_bits(static_cast<std::uint32_t>(bits));
    if (f >= low && f <= high) x.push_back(f);
  }
  return x;
}

std::vector<float> specials() {
  const float max = std::numeric_limits<float>::max(), tiny = std::numeric_limits<float>::denorm_min();
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> x{0.f,        -0.f, inf,  -inf, std::nanf(""), max,       -max,       tiny,     -tiny, 0x1p-126f,
                       -0x1p-126f, 1.f,  -1.f, 0.5f, 88.72283f,     88.72284f, -87.33654f, -103.97f, 0.6f};
  return x;
}

}  // namespace

TEST_CASE("float functions stay within their error against libm in double, on every instruction set") {
  for (const Isa level : isa_levels()) {
    const WithIsa forced(level);
    for (const auto& f : WEFT_FOR_ISA(math_kernels).of_float) {
      const auto x = sweep(f.low, f.high, level == Isa::portable ? 10007 : 499);
      std::vector<float> y(x.size());
      f.run(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
      double worst = 0;
      float at = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double error = ulps(y[i], reference(f.name, static_cast<double>(x[i])));
        if (error > worst) worst = error, at = x[i];
      }
      INFO(fmt::format("{} {}, worst at {}", name(level), f.name, at));
      CHECK(x.size() > 10000);
      CHECK(worst <= f.ulp);
    }
  }
}

TEST_CASE("special values: infinities, zeros, NaN, the ends of the range") {
  const auto x = specials();
  for (const Isa level : isa_levels()) {
    const WithIsa forced(level);
    for (const auto& f : WEFT_FOR_ISA(math_kernels).of_float) {
      const std::string_view which = f.name;
      std::vector<float> y(x.size());
      f.run(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
      for (std::size_t i = 0; i < x.size(); ++i) {
        INFO(fmt::format("{} {} of {} is {}", name(level), which, x[i], y[i]));
        if ((which == "sin" || which == "cos") && std::abs(x[i]) > 1e6f && std::isfinite(x[i]))
          CHECK(std::abs(y[i]) <= 1.f);
        else
          CHECK(ulps(y[i], reference(which, static_cast<double>(x[i]))) <= f.ulp);
      }
    }
  }
}

TEST_CASE("all instruction sets give the same bits, on whole vectors and on tails") {
  const auto all = isa_levels();
  for (int which = 0; which < MathKernels::count; ++which) {
    auto run = [&](Isa level, const std::vector<float>& x) {
      const WithIsa forced(level);
      std::vector<float> y(x.size());
      WEFT_FOR_ISA(math_kernels).of_float[which].run(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
      return y;
    };
    auto x = sweep(-infinity, infinity, 40009);
    const auto more = specials();
    x.insert(x.end(), more.begin(), more.end());
    const auto expected = run(Isa::portable, x);
    for (Isa level : all) {
      INFO(fmt::format("{} {}", name(level), WEFT_FOR_ISA(math_kernels).of_float[which].name));
      const auto got = run(level, x);
      std::size_t different = 0;
      for (std::size_t i = 0; i < x.size(); ++i)
        different +=
            !(std::isnan(got[i]) && std::isnan(expected[i])) && math::to_bits(got[i]) != math::to_bits(expected[i]);
      CHECK(different == 0);
      for (std::size_t n = 0; n < 40; ++n) {
        const std::vector<float> head(x.begin() + 1000, x.begin() + 1000 + static_cast<std::ptrdiff_t>(n));
        const auto tail = run(level, head);
        CHECK(std::equal(tail.begin(), tail.end(), expected.begin() + 1000,
                         [](float a, float b) { return math::to_bits(a) == math::to_bits(b); }));
      }
    }
  }
}

TEST_CASE("the fused product without hardware for it is rounded once") {
  const RandomKey key(11, "math_test fma");
  for (std::uint64_t i = 0; i < 300000; ++i) {
    const RandomKey k = key.at(i);
    auto draw = [&](std::uint64_t j) {
      return static_cast<float>(std::ldexp(uniform(k, j, -1, 1), static_cast<int>(uniform_index(k, j + 3, 60)) - 30));
    };
    const float a = draw(0), b = draw(1);
    // Half of the time the sum cancels, so that the error of the product decides.
    const float c = i % 2 ? draw(2) : -a * b * (1.f + static_cast<float>(i % 7) * 0x1p-23f);
    if (math::fma(a, b, c) != std::fmaf(a, b, c)) {
      INFO(a, " ", b, " ", c);
      CHECK(math::fma(a, b, c) == std::fmaf(a, b, c));
    }
  }
}

TEST_CASE("double functions are libm's") {
  for (const Isa level : isa_levels()) {
    const WithIsa forced(level);
    for (const auto& f : WEFT_FOR_ISA(math_kernels).of_double)
      for (double x : {-3.25, -0.1, 0., 0.7, 2.5, 40., 1e4}) {
        double y = 0;
        f.run(&x, &y, 1);
        const double expected = reference(f.name, x);
        INFO(fmt::format("{} {} of {}", name(level), f.name, x));
        const bool same =
            y == doctest::Approx(expected).epsilon(1e-15) || (y == expected) || (std::isnan(y) && std::isnan(expected));
        CHECK(same);
      }
  }
}
