#include "weft/autograd/gradcheck.h"

#include <algorithm>
#include <cmath>

#include "weft/core/difference.h"

namespace weft {
namespace {

/// Values of f's outputs, one after another, as doubles.
std::vector<double> evaluate(const TapeFunction& f, std::span<const GradcheckInput> inputs,
                             std::span<const Tensor> values) {
  Arena arena;
  Tape tape(arena);
  std::vector<Var> vars;
  for (std::size_t i = 0; i < inputs.size(); ++i) vars.push_back(tape.constant(values[i], inputs[i].type));
  std::vector<double> out;
  for (const Var& y : f(tape, vars)) {
    const auto values_of_y = y.value().span<double>();
    out.insert(out.end(), values_of_y.begin(), values_of_y.end());
  }
  return out;
}

/// d/ds f(x + s t) at 0, from four evaluations: error O(step^4).
std::vector<double> derivative(const TapeFunction& f, std::span<const GradcheckInput> inputs,
                               std::span<const Tensor> direction, double step) {
  auto at = [&](double s) {
    std::vector<Tensor> values;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      Tensor x = inputs[i].value.clone();
      if (inputs[i].differentiate)
        for (std::int64_t j = 0; j < x.numel(); ++j) x.data<double>()[j] += s * direction[i].data<double>()[j];
      values.push_back(x);
    }
    return evaluate(f, inputs, values);
  };
  const auto p1 = at(step), m1 = at(-step), p2 = at(2 * step), m2 = at(-2 * step);
  std::vector<double> d(p1.size());
  for (std::size_t i = 0; i < d.size(); ++i) d[i] = (8 * (p1[i] - m1[i]) - (p2[i] - m2[i])) / (12 * step);
  return d;
}

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// Gradients of <cotangent, f> for every differentiated input.
std::vector<Tensor> gradients(const TapeFunction& f, std::span<const GradcheckInput> inputs,
                              std::span<const double> cotangent) {
  Arena arena;
  Tape tape(arena);
  std::vector<Var> vars;
  for (const auto& input : inputs)
    vars.push_back(input.differentiate ? tape.leaf(input.value, input.type) : tape.constant(input.value, input.type));
  const auto outputs = f(tape, vars);
  std::vector<Tensor> cotangents;
  std::size_t at = 0;
  for (const Var& y : outputs) {
    Tensor c = Tensor::zeros(y.shape(), DType::f64);
    std::copy_n(cotangent.data() + at, c.numel(), c.data<double>());
    at += static_cast<std::size_t>(c.numel());
    cotangents.push_back(c);
  }
  tape.backward(outputs, cotangents);
  std::vector<Tensor> out;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    out.push_back(inputs[i].differentiate ? tape.grad(vars[i]).value().clone()
                                          : Tensor::zeros(inputs[i].value.shape(), DType::f64));
  return out;
}

}  // namespace

GradcheckReport gradcheck(const TapeFunction& f, std::span<const GradcheckInput> inputs, RandomKey key, double step) {
  std::vector<Tensor> direction, values;
  std::int64_t numbers = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].value.dtype() != DType::f64 && inputs[i].differentiate)
      throw DtypeError("[gradcheck] input {} is {}; allowed: float64", i, name(inputs[i].value.dtype()));
    Tensor t = Tensor::zeros(inputs[i].value.shape(), DType::f64);
    fill_normal(t, key.at("direction").at(i));
    direction.push_back(t);
    values.push_back(inputs[i].value);
    if (inputs[i].differentiate) numbers += t.numel();
  }
  const std::size_t n = evaluate(f, inputs, values).size();
  std::vector<double> cotangent(n);
  for (std::size_t i = 0; i < n; ++i) cotangent[i] = normal(key.at("cotangent"), i);

  GradcheckReport report;
  const auto forward = derivative(f, inputs, direction, step);
  const auto grads = gradients(f, inputs, cotangent);
  const double expected = dot(cotangent, forward);
  double got = 0, scale = std::sqrt(dot(cotangent, cotangent) * dot(forward, forward));
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].differentiate) got += dot(grads[i].span<double>(), direction[i].span<double>());
  report.direction_error = std::abs(got - expected) / std::max({scale, std::abs(got), 1e-300});

  if (numbers > 64 || n > 256) return report;
  report.jacobian = true;
  Difference difference;
  std::vector<std::vector<Tensor>> rows;  // one gradient per output number
  for (std::size_t o = 0; o < n; ++o) {
    std::vector<double> unit(n, 0.0);
    unit[o] = 1;
    rows.push_back(gradients(f, inputs, unit));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].differentiate) continue;
    for (std::int64_t j = 0; j < direction[i].numel(); ++j) {
      for (std::size_t k = 0; k < inputs.size(); ++k) direction[k].fill(0);
      direction[i].data<double>()[j] = 1;
      const auto column = derivative(f, inputs, direction, step);
      for (std::size_t o = 0; o < n; ++o) difference.add(rows[o][i].data<double>()[j], column[o]);
    }
  }
  report.jacobian_error = difference.relative();
  return report;
}

}  // namespace weft
