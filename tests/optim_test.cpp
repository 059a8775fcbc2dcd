#include "weft/nn/optim.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "weft/core/difference.h"
#include "weft/nn/layers.h"
#include "weft/nn/losses.h"
#include "weft/tests/isa_levels.h"
#include "weft/tests/with_threads.h"

using namespace weft;
using namespace weft::testing;

namespace {

using RuleKind = UpdateRule::Kind;

/// Every rule, without and with decay, and with constants other than the defaults.
std::vector<UpdateRule> rules() {
  UpdateRule adam = UpdateRule::adam(0.02), rmsprop = UpdateRule::rmsprop(0.03);
  adam.beta1 = 0.8;
  adam.beta2 = 0.95;
  adam.epsilon = 1e-3;
  rmsprop.alpha = 0.9;
  rmsprop.epsilon = 1e-4;
  return {UpdateRule::sgd(),     UpdateRule::sgd(0, 0.01),
          UpdateRule::sgd(0.9),  UpdateRule::sgd(0.7, 0.05),
          UpdateRule::adam(),    adam,
          UpdateRule::adamw(),   UpdateRule::adamw(0.3),
          UpdateRule::rmsprop(), rmsprop};
}

/// One number trained as PyTorch's manual writes it, in double.
struct Reference {
  double p = 0, buffer = 0, m = 0, v = 0;
  double size[3] = {1, 1, 1};  ///< the largest that value and states have been: rounding errors are of that size

  void step(const UpdateRule& r, double lr, std::int64_t t, double g) {
    if (r.kind == RuleKind::adamw)
      p = p - lr * r.weight_decay * p;
    else if (r.weight_decay != 0)
      g = g + r.weight_decay * p;
    switch (r.kind) {
      case RuleKind::sgd:
        p = p - lr * g;
        return;
      case RuleKind::momentum:
        buffer = t == 1 ? g : r.momentum * buffer + g;
        p = p - lr * buffer;
        return;
      case RuleKind::adam:
      case RuleKind::adamw: {
        m = r.beta1 * m + (1 - r.beta1) * g;
        v = r.beta2 * v + (1 - r.beta2) * g * g;
        double power1 = 1, power2 = 1;
        for (std::int64_t i = 0; i < t; ++i) power1 *= r.beta1, power2 *= r.beta2;
        const double m_hat = m / (1 - power1), v_hat = v / (1 - power2);
        p = p - lr * m_hat / (std::sqrt(v_hat) + r.epsilon);
        return;
      }
      case RuleKind::rmsprop:
        v = r.alpha * v + (1 - r.alpha) * g * g;
        p = p - lr * g / (std::sqrt(v) + r.epsilon);
        return;
      case RuleKind::count:
        return;
    }
  }
  double state(const UpdateRule& r, int i) const {
    if (r.kind == RuleKind::momentum) return buffer;
    return r.kind == RuleKind::rmsprop || i == 1 ? v : m;
  }
};

/// n numbers under one rule, in memory that begins off every alignment and is fenced by guards.
template <class T>
struct Range {
  static constexpr std::int64_t guard = 3;
  UpdateRule rule;
  std::int64_t n;
  std::vector<T> memory[4];  // values, gradients, states

  Range(const UpdateRule& r, std::int64_t count, RandomKey key) : rule(r), n(count) {
    for (auto& m : memory) m.assign(static_cast<std::size_t>(n + 2 * guard), T(0));
    for (auto& m : memory) std::fill_n(m.begin(), guard, T(77)), std::fill_n(m.end() - guard, guard, T(77));
    for (std::int64_t i = 0; i < n; ++i)
      at(0)[i] = static_cast<T>(normal(key.at("values"), static_cast<std::uint64_t>(i)));
  }
  T* at(int which) { return memory[which].data() + guard; }
  void draw_gradients(RandomKey key) {
    // Of very different sizes, some of them zero.
    for (std::int64_t i = 0; i < n; ++i) {
      const auto k = static_cast<std::uint64_t>(i);
      at(1)[i] = i % 7 == 3 ? T(0) : static_cast<T>(normal(key, k) * std::pow(10., uniform(key.at("size"), k, -4, 1)));
    }
  }
  bool step(double rate, std::int64_t t, std::int64_t begin, std::int64_t end) {
    auto state = [&](int i) { return i < states(rule.kind) ? at(2 + i) + begin : nullptr; };
    return update_range<T>(rule, rate, t, end - begin, at(0) + begin, at(1) + begin, state(0), state(1));
  }
  bool intact() const {
    for (const auto& m : memory)
      for (std::int64_t i = 0; i < guard; ++i)
        if (m[static_cast<std::size_t>(i)] != T(77) || m[m.size() - 1 - static_cast<std::size_t>(i)] != T(77))
          return false;
    return true;
  }
};

double rate_of(std::int64_t t) { return t % 5 == 4 ? 0 : 1e-2 / static_cast<double>(t); }

/// Largest error of values and states after some steps, relative to their size.
template <class T>
double error_against_reference(const UpdateRule& rule, std::int64_t n, std::int64_t steps, RandomKey key) {
  Range<T> range(rule, n, key);
  std::vector<Reference> reference(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) reference[static_cast<std::size_t>(i)].p = static_cast<double>(range.at(0)[i]);
  double worst = 0;
  for (std::int64_t t = 1; t <= steps; ++t) {
    range.draw_gradients(key.at(static_cast<std::uint64_t>(t)));
    const std::vector<T> gradients = range.memory[1];
    CHECK(range.step(rate_of(t), t, 0, n));
    CHECK(range.memory[1] == gradients);
    for (std::int64_t i = 0; i < n; ++i) {
      Reference& r = reference[static_cast<std::size_t>(i)];
      r.step(rule, rate_of(t), t, static_cast<double>(range.at(1)[i]));
      auto compare = [&](int which, T got, double expected) {
        r.size[which] = worse(r.size[which], std::abs(expected));
        worst = worse(worst, std::abs(static_cast<double>(got) - expected) / r.size[which]);
      };
      compare(0, range.at(0)[i], r.p);
      for (int k = 0; k < states(rule.kind); ++k) compare(1 + k, range.at(2 + k)[i], r.state(rule, k));
    }
  }
  CHECK(range.intact());
  return worst;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

/// Which of two classes, by the signs of two numbers: no linear model can.
struct Quadrants {
  Module model;
  Parameters& parameters = model.parameters();
  Mlp mlp{model, "m", {2, 16, 1}};
  Tensor x = Tensor::zeros({64, 2}, DType::f32), label = Tensor::zeros({64, 1}, DType::f32);
  Arena arena;
  Tape tape{arena};

  Quadrants() {
    parameters.add("unused", {3}, Init::normal(1), false);
    parameters.allocate(DType::f32, RandomKey(31, "quadrants"));
    fill_uniform(x, RandomKey(32, "x"), -1, 1);
    for (std::int64_t i = 0; i < 64; ++i)
      label.data<float>()[i] = x.data<float>()[2 * i] * x.data<float>()[2 * i + 1] > 0 ? 1.f : 0.f;
  }
  /// The loss, with gradients.
  double loss() {
    tape.reset();
    const Var y = mean_all(binary_cross_entropy_with_logits(mlp(tape.constant(x)), label));
    tape.backward(y);
    return static_cast<double>(y.value().data<float>()[0]);
  }
  double accuracy() {
    tape.reset();
    NoGrad scope(tape);
    const Var y = mlp(tape.constant(x));
    double right = 0;
    for (std::int64_t i = 0; i < 64; ++i) right += (y.value().data<float>()[i] > 0) == (label.data<float>()[i] > 0);
    return right / 64;
  }
};

double good_rate(const UpdateRule& rule) {
  return rule.kind == RuleKind::sgd ? 1 : rule.kind == RuleKind::momentum ? 0.2 : 0.02;
}

}  // namespace

TEST_CASE("defaults are PyTorch's") {
  const UpdateRule adam = UpdateRule::adam(), adamw = UpdateRule::adamw(), rmsprop = UpdateRule::rmsprop();
  CHECK((adam.beta1 == 0.9 && adam.beta2 == 0.999 && adam.epsilon == 1e-8 && adam.weight_decay == 0));
  CHECK((adamw.beta1 == 0.9 && adamw.beta2 == 0.999 && adamw.epsilon == 1e-8 && adamw.weight_decay == 0.01));
  CHECK((rmsprop.alpha == 0.99 && rmsprop.epsilon == 1e-8 && rmsprop.weight_decay == 0));
  CHECK((UpdateRule::sgd().kind == RuleKind::sgd && UpdateRule::sgd(0.9).kind == RuleKind::momentum));
}

TEST_CASE_TEMPLATE("every rule is PyTorch's, on every instruction set and at odd lengths", T, float, double) {
  constexpr std::int64_t steps = 60;
  // Each step rounds a few times; the rates of the steps are small against the values.
  const double tolerance = 8 * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (const Isa level : isa_levels()) {
    const WithIsa forced(level);
    for (std::size_t r = 0; r < rules().size(); ++r)
      for (std::int64_t n : {0, 1, 3, 15, 16, 17, 31, 64, 65, 257}) {
        const UpdateRule rule = rules()[r];
        INFO(fmt::format("{}, {} (rule {}), {} numbers", name(level), name(rule.kind), r, n));
        const double worst = error_against_reference<T>(rule, n, steps, RandomKey(41, "optim_test").at(r));
        CHECK(worst <= tolerance);
      }
  }
}

TEST_CASE_TEMPLATE("the same bits on every instruction set, and however a range is cut", T, float, double) {
  constexpr std::int64_t n = 331;
  for (const UpdateRule& rule : rules()) {
    auto run = [&](Isa level, std::int64_t piece) {
      const WithIsa forced(level);
      Range<T> range(rule, n, RandomKey(42, "optim_test"));
      for (std::int64_t t = 1; t <= 20; ++t) {
        range.draw_gradients(RandomKey(43, "optim_test").at(static_cast<std::uint64_t>(t)));
        for (std::int64_t i = 0; i < n; i += piece) range.step(1e-2, t, i, std::min(i + piece, n));
      }
      return std::vector{range.memory[0], range.memory[2], range.memory[3]};
    };
    const auto expected = run(Isa::portable, n);
    for (Isa level : isa_levels()) {
      INFO(fmt::format("{}, {}", name(level), name(rule.kind)));
      CHECK(run(level, n) == expected);
      CHECK(run(level, 37) == expected);
    }
  }
}

TEST_CASE_TEMPLATE("a gradient that is not finite is reported, wherever it stands", T, float, double) {
  constexpr std::int64_t n = 67;
  for (const Isa level : isa_levels()) {
    const WithIsa forced(level);
    for (const UpdateRule& rule : rules())
      for (T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(),
                    -std::numeric_limits<T>::infinity()})
        for (std::int64_t i = 0; i <= n; ++i) {
          Range<T> range(rule, n, RandomKey(44, "optim_test"));
          std::fill_n(range.at(1), n, std::numeric_limits<T>::max());  // finite, whatever becomes of it
          if (i < n) range.at(1)[i] = bad;
          CHECK(range.step(1e-3, 1, 0, n) == (i == n));
        }
  }
}

TEST_CASE("an optimiser is its rule over the whole buffer, on any number of threads") {
  for (const UpdateRule& rule : rules())
    for (DType dtype : {DType::f32, DType::f64}) {
      INFO(name(rule.kind));
      auto run = [&](int n, bool by_hand) {
        const WithThreads with(n);
        Parameters p;
        p.add("w", {300, 333}, Init::normal(1));
        p.add("psi", {5}, Init::normal(1), false);
        p.add("b", {7}, Init::normal(1));
        p.allocate(dtype, RandomKey(45, "optim_test"));
        const Tensor frozen = p.value(1).clone();
        Optimiser optimiser(p, rule);
        const Tensor state = Tensor::zeros({2, p.flat_values().numel()}, dtype);
        for (std::int64_t t = 1; t <= 3; ++t) {
          for (int i : {0, 2})
            fill_normal(p.grad(i), RandomKey(46, "optim_test").at(p.name(i)).at(static_cast<std::uint64_t>(t)));
          if (!by_hand) {
            p.gradients_given();
            optimiser.step(1e-2);
            continue;
          }
          with_float(dtype, "test", [&](auto tag) {
            using T = decltype(tag);
            update_range(rule, 1e-2, t, p.flat_values().numel(), p.flat_values().data<T>(), p.flat_grads().data<T>(),
                         state[0].data<T>(), state[1].data<T>());
          });
        }
        CHECK(same_bits(p.value(1), frozen));
        // The gaps between parameters stay zero.
        auto set = [](const Tensor& t) {
          const Tensor wide = t.to(DType::f64);
          std::int64_t n = 0;
          for (double v : wide.span<double>()) n += v != 0;
          return n;
        };
        CHECK(set(p.flat_values()) == set(p.value(0)) + set(p.value(2)));
        if (!by_hand) CHECK(optimiser.steps() == 3);
        return p.flat_values().clone();
      };
      const Tensor expected = run(1, true);
      for (int n : {1, 2, 4}) CHECK(same_bits(run(n, false), expected));
    }
}

TEST_CASE("a step counts as a change of the parameters") {
  Quadrants q;
  Optimiser optimiser(q.parameters, UpdateRule::sgd());
  const Var y = mean_all(binary_cross_entropy_with_logits(q.mlp(q.tape.constant(q.x)), q.label));
  q.parameters.gradients_given();
  optimiser.step(0.1);
  CHECK_THROWS_AS(q.tape.backward(y), AutogradError);
}

TEST_CASE("optimisers say what is wrong") {
  Parameters p;
  p.add("w", {3}, Init::normal(1));
  p.add("v", {3}, Init::normal(1));
  CHECK_THROWS_WITH_AS(Optimiser(p, UpdateRule::sgd()), "[sgd] the parameters have no memory yet; allocate() them",
                       UsageError);
  p.allocate(DType::f32, RandomKey(1, "p"));
  auto refuses = [&](UpdateRule rule, const char* message) {
    CHECK_THROWS_WITH_AS(Optimiser(p, rule), message, UsageError);
  };
  refuses(UpdateRule::sgd(1), "[momentum] momentum 1; allowed: 0 or more, below 1");
  refuses(UpdateRule::adamw(-0.1), "[adamw] weight_decay -0.1; allowed: 0 or more");
  refuses(UpdateRule::rmsprop(std::nan("")), "[rmsprop] weight_decay nan; allowed: 0 or more");
  UpdateRule rule = UpdateRule::adam();
  rule.epsilon = 0;
  refuses(rule, "[adam] epsilon 0; allowed: 1e-30 or more");
  rule = UpdateRule::adam();
  rule.beta2 = 1;
  refuses(rule, "[adam] beta2 1; allowed: 0 or more, below 1");

  Optimiser adam(p, UpdateRule::adam());
  CHECK_THROWS_WITH_AS(adam.step(-1), "[adam] learning rate -1; allowed: 0 or more", UsageError);
  CHECK_THROWS_AS(adam.step(std::nan("")), UsageError);
  CHECK(adam.steps() == 0);
  CHECK(adam.state().shape() == Shape{2, 32});
  CHECK_THROWS_WITH_AS(adam.resume(Tensor::zeros({1, 32}, DType::f32), 1),
                       "[adam] state of shape [1, 32]; allowed: [2, 32]", ShapeError);
  CHECK_THROWS_WITH_AS(adam.resume(Tensor::zeros({2, 32}, DType::f64), 1),
                       "[adam] state is float64, the parameters float32", DtypeError);
  CHECK_THROWS_WITH_AS(adam.resume(adam.state(), -1), "[adam] -1 steps; allowed: 0 or more", UsageError);
  p.grad(1).data<float>()[2] = std::numeric_limits<float>::infinity();
  p.gradients_given();
  CHECK_THROWS_WITH_AS(adam.step(1e-3),
                       "[adam] step 1: the gradient of 'v' holds a NaN or infinity; lower the learning rate",
                       NumericError);
}

TEST_CASE("a small network learns with each rule, and only with its own steps") {
  for (const UpdateRule& rule :
       {UpdateRule::sgd(), UpdateRule::sgd(0.9), UpdateRule::adam(), UpdateRule::adamw(), UpdateRule::rmsprop()}) {
    INFO(name(rule.kind));
    Quadrants q;
    Optimiser optimiser(q.parameters, rule);
    const double first = q.loss();
    for (int i = 0; i < 300; ++i) {
      q.loss();
      optimiser.step(good_rate(rule));
    }
    CHECK(q.loss() < first / 4);
    CHECK(q.accuracy() >= 0.95);
  }
  Quadrants q;
  for (int i = 0; i < 300; ++i) q.loss();
  CHECK(q.accuracy() < 0.8);
}

TEST_CASE("training goes on from a checkpoint bit for bit") {
  for (const UpdateRule& rule : rules()) {
    INFO(name(rule.kind));
    Quadrants q;
    Optimiser optimiser(q.parameters, rule);
    auto train = [&](Quadrants& model, Optimiser& by, int steps) {
      for (int i = 0; i < steps; ++i) {
        model.loss();
        by.step(good_rate(rule));
      }
    };
    train(q, optimiser, 7);
    const Tensor values = q.parameters.flat_values().clone(), state = optimiser.state().clone();
    const std::int64_t steps = optimiser.steps();
    train(q, optimiser, 7);

    Quadrants resumed;
    Optimiser again(resumed.parameters, rule);
    resumed.parameters.flat_values().copy_from(values);
    again.resume(state, steps);
    train(resumed, again, 7);
    CHECK(same_bits(resumed.parameters.flat_values(), q.parameters.flat_values()));
    CHECK(same_bits(again.state(), optimiser.state()));
    CHECK(again.steps() == 14);

    // The state matters: without it the steps differ, but for the rule that has none.
    Quadrants fresh;
    Optimiser without(fresh.parameters, rule);
    fresh.parameters.flat_values().copy_from(values);
    train(fresh, without, 7);
    CHECK(same_bits(fresh.parameters.flat_values(), q.parameters.flat_values()) == (states(rule.kind) == 0));
  }
}
