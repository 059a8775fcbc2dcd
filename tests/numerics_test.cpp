// What rounding must not do: numbers of a stream, sums of any length, and rows that are constant, huge or hold a NaN.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include "weft/core/parallel.h"
#include "weft/core/philox.h"
#include "weft/core/random_bodies.h"
#include "weft/core/rows.h"
#include "weft/cuda/emulated.h"
#include "weft/nfn/baselines/statistics.h"
#include "weft/nfn/pooling.h"
#include "weft/nfn/schedule.h"
#include "weft/nn/losses.h"
#include "weft/ops/contract.h"
#include "weft/ops/rows.h"
#include "weft/ops/view.h"
#include "weft/tests/isa_levels.h"
#include "weft/tests/with_threads.h"

using namespace weft;
using namespace weft::testing;

namespace {

constexpr float quiet = std::numeric_limits<float>::quiet_NaN();

/// What a float32 sum may err by, whatever its length.
constexpr double sum_error = 1e-6;

/// |got / wanted - 1|, and too much for a NaN.
double relative(double got, double wanted) {
  const double error = std::abs(got - wanted) / std::abs(wanted);
  return error >= 0 ? error : 1;
}

Tensor constant(const Shape& shape, double value) {
  const Tensor t = Tensor::zeros(shape, DType::f32);
  t.fill(value);
  return t;
}

/// f(a team) for every kind of team that runs row bodies.
template <class F>
void each_team(const F& f) {
  f(SerialTeam{});
  f(ThreadsTeam{});
  f(cuda::ThreadTeam{});
  f(cuda::LaneTeam<cuda::Emulated<1>>{{false}});
  f(cuda::LaneTeam<cuda::Emulated<cuda::row_block_warps>>{{true}});
}

/// The gradient by x of the outputs of f, all with this cotangent.
template <class F>
Tensor gradient_of(const Tensor& x, double cotangent, const F& f) {
  Arena arena;
  Tape tape(arena);
  const Var leaf = tape.leaf(x), y = f(tape, leaf);
  const Tensor gy = constant(y.shape(), cotangent);
  tape.backward({&y, 1}, {&gy, 1});
  return tape.grad(leaf).value().clone();
}

}  // namespace

TEST_CASE("uniform floats are all odd multiples of 2^-24 in (0, 1)") {
  std::int64_t wrong = 0;
  for (std::uint32_t k = 0; k < 1u << 23; ++k)
    wrong += static_cast<double>(uniform_float(k << 9 | (k & 511u))) != (2. * k + 1) * 0x1p-24;
  CHECK(wrong == 0);
  CHECK(uniform_float(0) == 0x1p-24f);
  CHECK(uniform_float(0xffffffffu) == 1 - 0x1p-24f);
}

TEST_CASE("uniform doubles are odd multiples of 2^-53 in (0, 1)") {
  CHECK(uniform_double(0, 0) == 0x1p-53);
  CHECK(uniform_double(0xffffffffu, 0xffffffffu) == 1 - 0x1p-53);
  for (std::uint64_t i = 0; i < 100000; ++i) {
    // Neighbours, also where `low` runs over.
    const PhiloxBlock b = RandomStream{1, 2}.block(i);
    const std::uint64_t k = (std::uint64_t{b.x[0]} << 32 | b.x[1]) & ((1ull << 63) - 1);
    const auto at = [](std::uint64_t word) {
      return uniform_double(static_cast<std::uint32_t>(word >> 32), static_cast<std::uint32_t>(word));
    };
    const double u = at(k);
    CHECK(std::fmod(u * 0x1p53, 2) == 1);
    if (k >> 11 != (1ull << 52) - 1) CHECK(at(k + 2048) - u == 0x1p-52);
  }
}

TEST_CASE("numbers between two ends: the lower one may come, the upper one never") {
  const RandomKey key(3, "numerics");
  const Tensor t = Tensor::zeros({10000}, DType::f32);
  // Neighbours in float32: every second number would be rounded to the upper end.
  fill_uniform(t, key, 1e8, 1e8 + 8);
  for (float x : t.span<float>()) CHECK(x == 1e8f);
  fill_uniform(t, key, -3, 5);
  for (float x : t.span<float>()) CHECK((x >= -3 && x < 5));
  fill_uniform(t, key, 2, 2);
  for (float x : t.span<float>()) CHECK(x == 2);
  for (std::uint64_t i = 0; i < 1000; ++i) CHECK(uniform(key, i, 1e16, 1e16 + 2) == 1e16);
  const double inf = std::numeric_limits<double>::infinity();
  for (const auto& [low, high] : {std::pair{1., 0.}, {0., inf}, {-inf, 0.}, {0., std::nan("")}, {-1e308, 1e308}}) {
    CHECK_THROWS_AS(fill_uniform(t, key, low, high), UsageError);
    CHECK_THROWS_AS(uniform(key, 0, low, high), UsageError);
  }
  for (std::int64_t n : {std::int64_t{1}, std::int64_t{2}, std::int64_t{7}, std::int64_t{1} << 52})
    for (std::uint64_t i = 0; i < 1000; ++i) {
      const std::int64_t drawn = uniform_index(key, i, n);
      CHECK((drawn >= 0 && drawn < n));
    }
  CHECK_THROWS_WITH_AS(uniform_index(key, 0, 0), "[uniform_index] one of 0 numbers; allowed: 1 to 2^52", UsageError);
  CHECK_THROWS_AS(permutation(-1, key), UsageError);
  CHECK_THROWS_AS(permutation(std::int64_t{1} << 31, key), UsageError);
}

TEST_CASE("a sum of 10^8 equal numbers, by every team") {
  for (const float x : {0.1f, 1.f / 3, 0.7f, -1.9f, 3e-20f, 1e25f})
    each_team([&](const auto& team) {
      for (const std::int64_t n : {std::int64_t{1}, std::int64_t{77}, std::int64_t{1000}, std::int64_t{10000019}}) {
        CAPTURE(n);
        const float sum = team.template sum<float>(n, [=](std::int64_t) { return x; });
        CHECK(relative(sum, static_cast<double>(n) * static_cast<double>(x)) < sum_error);
      }
    });
  constexpr std::int64_t most = 100000000;
  each_team([&](const auto& team) {
    CHECK(relative(team.template sum<float>(most, [](std::int64_t) { return 0.1f; }), 1e8 * double{0.1f}) < sum_error);
  });
  CHECK(relative(pairwise_sum<float>(most, [](std::int64_t) { return 0.1f; }), 1e8 * double{0.1f}) < sum_error);
}

TEST_CASE("a sum's bits follow from the terms alone: one thread, many, or a thread of a device") {
  const auto f = [](std::int64_t i) { return std::sin(static_cast<float>(i)) + 0.3f; };
  for (std::int64_t n : {0, 1, 15, 16, 17, 255, 256, 257, 1023, 1024, 1025, 5000, 16384, 65536, 70001, 1234567}) {
    CAPTURE(n);
    const float sum = SerialTeam{}.sum<float>(n, f), largest = SerialTeam{}.max(n, -9.f, f);
    CHECK(cuda::ThreadTeam{}.sum<float>(n, f) == sum);
    for (int count : {1, 2, 3, 4}) {
      const WithThreads with(count);
      CHECK(ThreadsTeam{}.sum<float>(n, f) == sum);
      CHECK(ThreadsTeam{}.max(n, -9.f, f) == largest);
    }
  }
}

TEST_CASE("long reductions of rows, middle axes and losses, and what they give back") {
  constexpr std::int64_t n = 10000000;
  for (const Isa level : isa_levels()) {
    const WithIsa forced(level);
    for (int count : {1, 2}) {
      const WithThreads with(count);
      Arena arena;
      Tape tape(arena);
      const Var x = tape.constant(constant({n}, 0.1));
      CHECK(relative(mean_all(x).value().data<float>()[0], 0.1) < sum_error);
      CHECK(relative(sum(x).value().data<float>()[0], 1e6) < sum_error);
      const Var middle = mean(tape.constant(constant({2, n / 20, 3}, 0.1)), 1);
      for (float y : middle.value().span<float>()) CHECK(relative(y, 0.1) < sum_error);
      CHECK(relative(l2_normalise(x).value().data<float>()[n - 1], 1 / std::sqrt(1e7)) < sum_error);
      const Var probable = softmax(x), log = log_softmax(x);
      CHECK(relative(probable.value().data<float>()[n / 2], 1e-7) < 2 * sum_error);
      CHECK(relative(log.value().data<float>()[n / 2], -std::log(1e7)) < sum_error);
    }
  }
  const auto gradients = [](const Tensor& x, double cotangent, const auto& f, double wanted) {
    const Tensor gradient = gradient_of(x, cotangent, f);
    for (float g : gradient.span<float>()) CHECK(relative(g, wanted) < sum_error);
  };
  // Of a bias, of what is broadcast along the first and along a middle axis, and of rows that are gathered again and
  // again.
  gradients(
      constant({3}, 1), 0.1,
      [](Tape& tape, const Var& b) {
        const Var x = tape.constant(constant({n / 10, 2}, 0)), w = tape.constant(constant({2, 3}, 0));
        return contract("ni,io+o->no", x, w, b);
      },
      1e5);
  gradients(
      constant({2, 3}, 1), 0.1,
      [](Tape& tape, const Var& b) {
        const Var x = tape.constant(constant({2, n / 100, 3}, 1));
        return contract("ank,ak->ank", x, b);
      },
      1e4);
  gradients(
      constant({1, 2}, 1), 0.1, [](Tape&, const Var& x) { return gather(x, 0, Tensor::zeros({n / 10}, DType::i32)); },
      1e5);
  gradients(
      constant({2, 1, 19}, 1), 0.1,
      [](Tape&, const Var& x) { return gather(x, 1, Tensor::zeros({n / 1000}, DType::i32)); }, 1e3);
}

TEST_CASE("a product of two long vectors") {
  constexpr std::int64_t n = 10000000;
  Arena arena;
  Tape tape(arena);
  const Var a = tape.constant(constant({n}, 0.1)), b = tape.constant(constant({n}, 0.7));
  CHECK(relative(contract("i,i->", a, b).value().data<float>()[0], double{0.1f} * double{0.7f} * n) < sum_error);
  CHECK(relative(contract("i,j->", a, tape.constant(constant({2}, 0.5))).value().data<float>()[0], 1e6) < sum_error);
}

TEST_CASE("gather adds every row to where it came from") {
  const RandomKey key(4, "numerics");
  for (std::int64_t n : {1, 3, 20})
    for (std::int64_t inner : {1, 5, 16, 33}) {
      const Tensor x = Tensor::zeros({2, n, inner}, DType::f64), index = Tensor::zeros({50}, DType::i32);
      for (std::int64_t i = 0; i < 50; ++i)
        index.data<std::int32_t>()[i] = static_cast<std::int32_t>(uniform_index(key, static_cast<std::uint64_t>(i), n));
      // Twice: the second gradient is added to the first.
      const Tensor gy[] = {Tensor::zeros({2, 50, inner}, DType::f64), Tensor::zeros({2, 50, inner}, DType::f64)};
      const Tensor expected = Tensor::zeros(x.shape(), DType::f64);
      for (int twice = 0; twice < 2; ++twice) {
        fill_normal(gy[twice], key.at(static_cast<std::uint64_t>(twice)));
        for (std::int64_t o = 0; o < 2; ++o)
          for (std::int64_t i = 0; i < 50; ++i)
            for (std::int64_t k = 0; k < inner; ++k)
              expected.data<double>()[(o * n + index.data<std::int32_t>()[i]) * inner + k] +=
                  gy[twice].data<double>()[(o * 50 + i) * inner + k];
      }
      Arena arena;
      Tape tape(arena);
      const Var leaf = tape.leaf(x), y[] = {gather(leaf, 1, index), gather(leaf, 1, index)};
      tape.backward(y, gy);
      const Tensor got = tape.grad(leaf).value();
      double worst = 0;
      for (std::int64_t i = 0; i < x.numel(); ++i) {
        const double error = std::abs(got.data<double>()[i] - expected.data<double>()[i]);
        worst = error <= worst ? worst : error;  // a NaN stays
      }
      CHECK(worst < 1e-13);
    }
}

TEST_CASE("gradients that every network adds to, whatever the number of networks") {
  for (std::int64_t networks : {0, 1, 15, 16, 17, 100, 255, 256, 257, 1000, 4099, 1000000}) {
    CAPTURE(networks);
    for (int count : {1, 2}) {
      const WithThreads with(count);
      Arena arena;
      float kept = 5, fresh = quiet, second[21] = {};
      schedule::PartialSums<float> sums(arena, networks, 3);
      const std::int64_t a = sums.add({&kept, 1}, 1), b = sums.add({&fresh, 0}, 1), c = sums.add({second, 1}, 21);
      sums.allocate();
      sums.run([&](std::int64_t begin, std::int64_t end, int worker, float* leaf) {
        CHECK((worker >= 0 && worker < count && begin < end));
        for (std::int64_t net = begin; net < end; ++net) {
          leaf[a] += 0.1f;
          leaf[b] += 0.1f;
          for (int i = 0; i < 21; ++i) leaf[c + i] += 0.1f * static_cast<float>(i + 1);
        }
      });
      const double all = static_cast<double>(networks) * double{0.1f};
      CHECK(relative(kept, 5 + all) < sum_error);
      CHECK(std::abs(fresh - all) <= sum_error * all);
      for (int i = 0; i < 21; ++i) CHECK(std::abs(second[i] - all * (i + 1)) <= 1.1 * sum_error * all * (i + 1));
    }
  }
}

TEST_CASE("the normalising pool over many entries and many networks") {
  for (const auto& [hidden, networks] : {std::pair{40000, 2}, {20, 30000}}) {
    const Space space = Space::parse("in: fixed(3); out: fixed(1); h: positive_monomial(" + std::to_string(hidden) +
                                     ")\nW[h, in*] V[out, h*]");
    const Module model;
    Parameters& parameters = model.parameters();
    const NormalisingPool pool(model, "pool", space, 1);
    parameters.allocate(DType::f32, RandomKey(1, "numerics"));
    Arena arena;
    Tape tape(arena);
    std::vector<Var> features;
    for (int t = 0; t < 2; ++t)
      features.push_back(tape.constant(constant(space.feature_shape(t, networks, 1), 0.3), space.type(t)));
    // Every entry is its own norm: all means are 1, and gain and shift have the same gradient.
    const Var y = pool({space, features});
    for (float v : y.value().span<float>()) CHECK(relative(v, 1) < sum_error);
    const Tensor gy = constant(y.shape(), 0.1);
    tape.backward({&y, 1}, {&gy, 1});
    for (int i = 0; i < parameters.count(); ++i)
      CHECK(relative(parameters.grad(i).data<float>()[0], 0.1 * networks * (i < 2 ? 3 : 1)) < sum_error);
  }
}

TEST_CASE("equal large logits: log_softmax keeps log 2, and cross_entropy with it") {
  for (const Isa level : isa_levels()) {
    const WithIsa forced(level);
    Arena arena;
    Tape tape(arena);
    for (const double z : {0., 1e4, 1e8, -1e8, 1e30, -3e38}) {
      const Var logits = tape.leaf(constant({1, 2}, z)), y = log_softmax(logits);
      for (float v : y.value().span<float>()) CHECK(relative(v, -std::log(2)) < sum_error);
      const Tensor label = Tensor::zeros({1}, DType::i32);
      const Var loss = cross_entropy(logits, label);
      CHECK(relative(loss.value().data<float>()[0], std::log(2)) < sum_error);
      tape.backward(sum(loss));
      const Tensor g = tape.grad(logits).value();
      CHECK(relative(g.data<float>()[0], -0.5) < sum_error);
      CHECK(relative(g.data<float>()[1], 0.5) < sum_error);
      tape.reset();
    }
  }
  // By every team that runs rows.
  each_team([](const auto& team) {
    const std::vector<float> x(300, 1e8f);
    std::vector<float> y(300);
    LogSoftmax::row<float>(team, DenseRow<const float>{x.data()}, DenseRow<float>{y.data()}, 300);
    for (float v : y) CHECK(relative(v, -std::log(300)) < sum_error);
  });
}

TEST_CASE("layer norm of a constant row is 0, by every team") {
  for (std::int64_t n : {1, 2, 7, 33, 300, 5000})
    for (const float c : {0.f, 1.f, 0.1f, -3.7f, 1e6f, 1234567.f, 999999.9f, -1e8f, 3.3e15f})
      each_team([&](const auto& team) {
        CAPTURE(n);
        CAPTURE(c);
        const std::vector<float> x(static_cast<std::size_t>(n), c);
        std::vector<float> y(x.size(), quiet);
        LayerNorm::row<float>(team, DenseRow<const float>{x.data()}, DenseRow<float>{y.data()}, n);
        // The residue's own rounding, of a mean that is a few units off, divided by sqrt(1e-5).
        const double allowed = 317 * 8 * 0x1p-24 * 8 * 0x1p-24 * std::abs(static_cast<double>(c));
        for (float v : y) CHECK(std::abs(static_cast<double>(v)) <= std::min(allowed, 1e-3));
        if (n == 7 && c == 1e6f)
          for (float v : y) CHECK(v == 0);
      });
}

TEST_CASE("statistics of constant weights, and a constant column of a baseline's inputs") {
  const Space space = Space::parse("h: permutation(7)\nb[h]");
  for (const double c : {0.1, 1e6, 123456.789, 1e15 / 3}) {
    const Tensor w = Tensor::zeros(space.feature_shape(0, 3, 1), DType::f64);
    w.fill(c);
    const Tensor s = weight_statistics(space, std::vector<Tensor>{w});
    CHECK(s.data<double>()[0] == c);
    CHECK(s.data<double>()[1] == 0);
    const auto value = [&](std::int64_t) { return c; };
    for (std::int64_t n : {3, 1000, 77777})
      CHECK(std::sqrt(variance_of(SerialTeam{}, n, centre_of<double>(SerialTeam{}, n, value), value)) <
            1e-14 * 1e-12 * c + 1e-12);
  }
}

TEST_CASE("the largest of a row: a NaN wins wherever it stands, for every team") {
  for (std::int64_t n : {1, 2, 16, 17, 300, 70000})
    for (std::int64_t at : {std::int64_t{0}, n / 3, n - 1})
      each_team([&](const auto& team) {
        CAPTURE(n);
        CAPTURE(at);
        const auto f = [=](std::int64_t i) { return i == at ? quiet : static_cast<float>(i); };
        CHECK(std::isnan(team.max(n, 0.f, f)));
        CHECK(team.max(n, -1.f, [=](std::int64_t i) { return i == at ? 1e6f : static_cast<float>(i % 9); }) == 1e6f);
      });
  for (const Isa level : isa_levels()) {
    const WithIsa forced(level);
    for (std::int64_t at : {0, 5, 39}) {
      const Tensor x = constant({1, 40}, 2);
      x.data<float>()[at] = quiet;
      Arena arena;
      Tape tape(arena);
      const Var v = tape.constant(x);
      for (const Var& y : {softmax(v), log_softmax(v)})
        for (float p : y.value().span<float>()) CHECK(std::isnan(p));
    }
  }
}
