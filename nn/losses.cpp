#include "weft/nn/losses.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "weft/groups/rules.h"
#include "weft/ops/rows.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

void check(const char* who, const Var& x, const Tensor& target) {
  require(Action::mix, who, x.name(), x.type());
  if (!(x.shape() == target.shape()))
    throw ShapeError("[{}] prediction of shape {}, target of shape {}", who, x.shape().str(), target.shape().str());
  if (x.dtype() != target.dtype())
    throw DtypeError("[{}] prediction is {}, target {}", who, name(x.dtype()), name(target.dtype()));
}

/// y = f(x, t) per item, gx = gy df(x, t).
template <class F, class Df>
Var per_item(const char* who, const Var& x, const Tensor& target, F f, Df df) {
  check(who, x, target);
  const Tensor y = x.tape().empty(x.shape(), x.dtype());
  with_float(x.dtype(), who, [&](auto tag) {
    using T = decltype(tag);
    const T *in = x.value().data<T>(), *t = target.data<T>();
    for (std::int64_t i = 0; i < y.numel(); ++i)
      y.data<T>()[i] = static_cast<T>(f(static_cast<double>(in[i]), static_cast<double>(t[i])));
  });
  return x.tape().record(who, y, x.type(), {x}, [target, df, who](Backward& b) {
    const GradSlot g = b.grad(0);
    with_float(target.dtype(), who, [&](auto tag) {
      using T = decltype(tag);
      const T *in = b.input(0).data<T>(), *t = target.data<T>(), *gy = b.cotangent().data<T>();
      for (std::int64_t i = 0; i < target.numel(); ++i) {
        T& to = g.tensor.data<T>()[i];
        to = gy[i] * static_cast<T>(df(static_cast<double>(in[i]), static_cast<double>(t[i]))) +
             (g.beta != 0 ? to : T(0));
      }
    });
  });
}

}  // namespace

Var binary_cross_entropy(const Var& p, const Tensor& target) {
  return per_item(
      "binary_cross_entropy", p, target,
      [](double x, double t) {
        return -(t * std::max(std::log(x), -100.0) + (1 - t) * std::max(std::log1p(-x), -100.0));
      },
      [](double x, double t) { return (x - t) / std::max(x * (1 - x), 1e-12); });
}

Var binary_cross_entropy_with_logits(const Var& z, const Tensor& target) {
  return per_item(
      "binary_cross_entropy_with_logits", z, target,
      [](double x, double t) { return std::max(x, 0.0) - x * t + std::log1p(std::exp(-std::abs(x))); },
      [](double x, double t) { return 1 / (1 + std::exp(-x)) - t; });
}

Var squared_error(const Var& x, const Tensor& target) {
  return per_item(
      "squared_error", x, target, [](double a, double t) { return (a - t) * (a - t); },
      [](double a, double t) { return 2 * (a - t); });
}

Var cross_entropy(const Var& z, const Tensor& label) {
  const Shape& s = z.shape();
  if (s.rank() == 0 || !(s.sub(0, s.rank() - 1) == label.shape()))
    throw ShapeError("[cross_entropy] scores of shape {}, labels of shape {}; allowed: [..., classes] and [...]",
                     s.str(), label.shape().str());
  const std::int64_t classes = s[s.rank() - 1], rows = label.numel();
  const std::span<const std::int32_t> labels = label.span<std::int32_t>();
  for (std::int64_t r = 0; r < rows; ++r)
    if (labels[static_cast<std::size_t>(r)] < 0 || labels[static_cast<std::size_t>(r)] >= classes)
      throw UsageError("[cross_entropy] label {} of item {}; allowed: 0..{}", labels[static_cast<std::size_t>(r)], r,
                       classes - 1);
  require(Action::mix, "cross_entropy", z.name(), z.type());
  Tape& tape = z.tape();
  const Tensor y = tape.empty(label.shape(), z.dtype()), logp = tape.empty(s, z.dtype());
  const RowShape rows_of{rows, classes, 1};
  kernel(RowOp::LogSoftmax, z.dtype()).forward(rows_of, z.value().raw(), logp.raw());
  with_float(z.dtype(), "cross_entropy", [&](auto tag) {
    using T = decltype(tag);
    for (std::int64_t r = 0; r < rows; ++r)
      y.data<T>()[r] = -logp.data<T>()[r * classes + labels[static_cast<std::size_t>(r)]];
  });
  return tape.record("cross_entropy", y, Type::plain(y.rank()), {z}, [label, logp, rows, classes](Backward& b) {
    const GradSlot g = b.grad(0);
    with_float(logp.dtype(), "cross_entropy", [&](auto tag) {
      using T = decltype(tag);
      const T* gy = b.cotangent().data<T>();
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < classes; ++c) {
          T& to = g.tensor.data<T>()[r * classes + c];
          const T p = std::exp(logp.data<T>()[r * classes + c]) - (label.data<std::int32_t>()[r] == c ? T(1) : T(0));
          to = gy[r] * p + (g.beta != 0 ? to : T(0));
        }
    });
  });
}

Var mean_all(const Var& x) { return mean(reshape(x, {x.value().numel()}), 0); }

namespace {

OpCase loss_case(std::string name, OpRange range, const Shape& shape, std::function<Var(const Var&)> run,
                 std::function<std::vector<double>(const Tensor&)> reference) {
  OpCase c;
  c.name = std::move(name);
  c.range = range;
  c.shapes = {shape};
  c.run = [run](Tape&, std::span<const Var> x) { return run(x[0]); };
  c.reference = [reference](std::span<const Tensor> x) { return reference(x[0]); };
  return c;
}

/// A loss on values of a weight space is refused on every axis that does more than permute.
OpCase refused_loss(std::string name, std::function<Var(const Var&)> run) {
  OpCase c;
  c.space = "s: sign_monomial(4) S[s]";
  c.tensors = {"S"};
  c.result = "S";
  c.run = [run](Tape&, std::span<const Var> x) { return run(x[0]); };
  c.refusal = "[" + name + "] tensor 'S', axis 0 's' (sign_monomial(4)): " + name +
              " does not commute with signs; take abs first, or contract the axis";
  c.name = std::move(name);
  return c;
}

/// Targets as constants of the prediction's dtype.
Tensor target_for(const Var& x, std::span<const double> values) {
  return Tensor::from<double>(values, x.shape()).to(x.dtype());
}

}  // namespace

std::vector<OpCase> loss_cases() {
  static constexpr double t[] = {0.1, 0.9, 0.5, 0.3, 0.0, 1.0};
  static constexpr std::int32_t labels[] = {2, 0};
  auto each = [](auto f) {
    return [f](const Tensor& x) {
      std::vector<double> y;
      for (std::int64_t i = 0; i < x.numel(); ++i) y.push_back(f(x.data<double>()[i], t[i]));
      return y;
    };
  };
  auto constant = [](const Var& x, double v) {
    const Tensor c = Tensor::zeros(x.shape(), x.dtype());
    c.fill(v);
    return c;
  };
  const Tensor label = Tensor::from<std::int32_t>(labels, {2});
  return {
      loss_case(
          "binary_cross_entropy", {0.1, 0.9}, {6},
          [](const Var& x) { return binary_cross_entropy(x, target_for(x, t)); },
          each([](double p, double q) { return -q * std::log(p) - (1 - q) * std::log(1 - p); })),
      loss_case(
          "binary_cross_entropy_with_logits", {-4, 4}, {6},
          [](const Var& x) { return binary_cross_entropy_with_logits(x, target_for(x, t)); },
          each([](double z, double q) {
            return -q * std::log(1 / (1 + std::exp(-z))) - (1 - q) * std::log(1 / (1 + std::exp(z)));
          })),
      loss_case(
          "squared_error", {-2, 2}, {6}, [](const Var& x) { return squared_error(x, target_for(x, t)); },
          each([](double a, double b) { return (a - b) * (a - b); })),
      loss_case(
          "cross_entropy", {-3, 3}, {2, 3}, [label](const Var& x) { return cross_entropy(x, label); },
          [](const Tensor& x) {
            std::vector<double> y;
            for (std::int64_t r = 0; r < 2; ++r) {
              double sum = 0;
              for (std::int64_t c = 0; c < 3; ++c) sum += std::exp(x.data<double>()[r * 3 + c]);
              y.push_back(std::log(sum) - x.data<double>()[r * 3 + labels[r]]);
            }
            return y;
          }),
      loss_case(
          "mean_all", {-2, 2}, {2, 3}, [](const Var& x) { return mean_all(x); },
          [](const Tensor& x) {
            double sum = 0;
            for (double v : x.span<double>()) sum += v;
            return std::vector<double>{sum / 6};
          }),
      refused_loss("squared_error", [constant](const Var& x) { return squared_error(x, constant(x, 0.3)); }),
      refused_loss("binary_cross_entropy_with_logits",
                   [constant](const Var& x) { return binary_cross_entropy_with_logits(x, constant(x, 0.3)); }),
  };
}

}  // namespace weft
