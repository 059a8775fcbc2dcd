// contract() on equations that no list of cases names.

#include "weft/ops/contract.h"

#include <doctest/doctest.h>

#include "weft/tests/contract_fuzz.h"
#include "weft/tests/isa_levels.h"

using namespace weft;
using namespace weft::testing;

TEST_CASE("contract: a bias over one of two batch letters is read where it lies") {
  const std::int64_t N = 3, P = 2, I = 4, O = 5;
  const RandomKey key(1, "contract_test");
  Tensor a = Tensor::zeros({N, P, I}, DType::f64), b = Tensor::zeros({N, P, I, O}, DType::f64),
         c = Tensor::zeros({N, O}, DType::f64);
  fill_normal(a, key.at("a"));
  fill_normal(b, key.at("b"));
  fill_normal(c, key.at("c"));
  Arena arena;
  Tape tape(arena);
  const Var y = contract("npi,npio+no->npo", tape.constant(a), tape.constant(b), tape.constant(c));
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t p = 0; p < P; ++p)
      for (std::int64_t o = 0; o < O; ++o) {
        double expected = c[n].data<double>()[o];
        for (std::int64_t i = 0; i < I; ++i) expected += a[n][p].data<double>()[i] * b[n][p][i].data<double>()[o];
        CHECK(y.value()[n][p].data<double>()[o] == doctest::Approx(expected).epsilon(1e-12));
      }
}

TEST_CASE("contract: 24000 random equations, values and gradients, in dirty memory") {
  // On each instruction set, for products of different sizes run on different kernels.
  int wrong = 0;
  auto run = [&](RandomKey key, std::uint64_t count, bool large) {
    for (std::uint64_t i = 0; i < count && wrong < 10; ++i)
      if (const std::string message = check_contraction(key.at(i), large); !message.empty()) {
        ++wrong;
        FAIL_CHECK(message);
      }
  };
  std::uint64_t level = 0;
  for (const Isa isa : isa_levels()) {
    const WithIsa forced(isa);
    const RandomKey key = RandomKey(2, "contract_test").at(level++);
    run(key.at("small"), 24000 / isa_levels().size(), false);
    run(key.at("large"), 100, true);
  }
}
