// The cases of nn/losses.h for the op runner.

#include "weft/nn/loss_cases.h"

#include <cmath>

#include "weft/nn/losses.h"

namespace weft {
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

/// Targets as constants of the prediction's dtype, beside it.
Tensor target_for(const Var& x, std::span<const double> values) {
  return Tensor::from<double>(values, x.shape()).to(x.dtype()).on(x.value().backend());
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
          "cross_entropy", {-3, 3}, {2, 3},
          [label](const Var& x) { return cross_entropy(x, label.on(x.value().backend())); },
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
