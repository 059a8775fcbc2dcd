#include "weft/tests/op_runner.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "weft/autograd/gradcheck.h"
#include "weft/core/backend.h"
#include "weft/core/difference.h"
#include "weft/groups/element.h"
#include "weft/groups/space.h"
#include "weft/ops/act.h"

namespace weft::testing {
namespace {

constexpr std::int64_t batch = 2, channels = 5;

struct Inputs {
  std::vector<Tensor> values;
  std::vector<Type> types;
};

/// Values keep off the kink of the op, where it has no derivative.
void draw(const Tensor& t, const OpRange& range, RandomKey key) {
  fill_uniform(t, key, range.low, range.high);
  if (std::isnan(range.kink)) return;
  for (double& x : t.span<double>())
    if (std::abs(x - range.kink) < 0.05) x = range.kink + (x < range.kink ? -0.05 : 0.05);
}

Inputs inputs_of(const OpCase& c, const Space& space, RandomKey key, bool typed, std::int64_t items = batch) {
  Inputs in;
  const std::size_t n = c.space.empty() ? c.shapes.size() : c.tensors.size();
  for (std::size_t i = 0; i < n; ++i) {
    const Shape shape =
        c.space.empty() ? c.shapes[i] : space.feature_shape(space.tensor(c.tensors[i]), items, channels);
    // Every input is a view into a larger tensor: nothing may rely on owning or on alignment.
    Shape two{3};
    for (auto s : shape.sizes()) two.push_back(s);
    const Tensor outer = Tensor::zeros(two, DType::f64);
    draw(outer, c.range, key.at(i));
    in.values.push_back(outer[1]);
    in.types.push_back(typed && !c.space.empty() ? space.type(space.tensor(c.tensors[i])) : Type::plain(shape.rank()));
  }
  return in;
}

std::vector<Var> on_tape(Tape& tape, const OpCase& c, const Inputs& in, DType dtype, bool leaf) {
  std::vector<Var> vars;
  for (std::size_t i = 0; i < in.values.size(); ++i) {
    const std::string_view name = c.space.empty() ? std::string_view{} : std::string_view(c.tensors[i]);
    const Tensor value = dtype == DType::f64 ? in.values[i] : in.values[i].to(dtype);
    vars.push_back(leaf ? tape.leaf(value, in.types[i], name) : tape.constant(value, in.types[i], name));
  }
  return vars;
}

std::vector<double> numbers(const Tensor& t) {
  const Tensor wide = t.to(DType::f64);
  return {wide.span<double>().begin(), wide.span<double>().end()};
}

std::vector<double> evaluate(const OpCase& c, const Inputs& in, DType dtype) {
  Arena arena;
  Tape tape(arena);
  return numbers(c.run(tape, on_tape(tape, c, in, dtype, false)).value());
}

Tensor moved(const Element& g, const std::string& tensor, const Tensor& x) {
  return act(g, g.space().tensor(tensor), x);
}

Inputs moved(const OpCase& c, const Element& g, Inputs in) {
  for (std::size_t i = 0; i < in.values.size(); ++i) in.values[i] = moved(g, c.tensors[i], in.values[i]);
  return in;
}

std::vector<double> moved_result(const OpCase& c, const Element& g, const std::vector<double>& y, const Shape& shape) {
  if (c.result.empty()) return y;
  return numbers(moved(g, c.result, Tensor::from<double>(y, shape)));
}

/// Gradients by every input of <cotangent, op>.
std::vector<Tensor> gradients(const OpCase& c, const Inputs& in, const Tensor& cotangent) {
  Arena arena;
  Tape tape(arena);
  const auto vars = on_tape(tape, c, in, DType::f64, true);
  const Var y = c.run(tape, vars);
  tape.backward({&y, 1}, {&cotangent, 1});
  std::vector<Tensor> out;
  for (const Var& x : vars) out.push_back(tape.grad(x).value().clone());
  return out;
}

Shape result_shape(const OpCase& c, const Inputs& in) {
  Arena arena;
  Tape tape(arena);
  return c.run(tape, on_tape(tape, c, in, DType::f64, false)).shape();
}

bool all_finite(const std::vector<double>& numbers) {
  return std::ranges::all_of(numbers, [](double x) { return std::isfinite(x); });
}

/// Whether a group has led inputs out of the range that an op is tested on: to where log, say, is not defined.
bool leaves(const Inputs& in, const OpRange& range) {
  return std::ranges::any_of(in.values, [&](const Tensor& t) {
    return std::ranges::any_of(numbers(t), [&](double x) { return x < range.low || x > range.high; });
  });
}

}  // namespace

std::string check_value(const OpCase& c, RandomKey key) {
  const Space space = c.space.empty() ? Space() : Space::parse(c.space);
  const Inputs in = inputs_of(c, space, key, true);
  const auto got = evaluate(c, in, DType::f64);
  const auto expected = c.reference(in.values);
  if (const double e = relative_error(got, expected); !(e < 1e-12))
    return fmt::format("{}: value differs from the reference by {:.3g}", c.name, e);
  // Rounding the inputs is no error of the op.
  std::vector<Tensor> rounded;
  for (const Tensor& x : in.values) rounded.push_back(x.to(DType::f32).to(DType::f64));
  if (const double e = relative_error(evaluate(c, in, DType::f32), c.reference(rounded)); !(e < 1e-5))
    return fmt::format("{}: float32 differs from the reference by {:.3g}", c.name, e);
  if (!c.space.empty())
    for (const double x : evaluate(c, inputs_of(c, space, key, true, 0), DType::f64))
      if (std::isnan(x)) return fmt::format("{}: an empty batch gives NaN", c.name);
  return {};
}

std::string check_vjp(const OpCase& c, RandomKey key) {
  const Space space = c.space.empty() ? Space() : Space::parse(c.space);
  const Inputs in = inputs_of(c, space, key, true);
  std::vector<GradcheckInput> inputs;
  for (std::size_t i = 0; i < in.values.size(); ++i) inputs.push_back({in.values[i], in.types[i]});
  const auto report = gradcheck([&](Tape& tape, std::span<const Var> x) { return std::vector<Var>{c.run(tape, x)}; },
                                inputs, key.at("gradcheck"));
  if (!(report.direction_error < 1e-8))
    return fmt::format("{}: vjp is off by {:.3g} along a random direction", c.name, report.direction_error);
  if (!(report.jacobian_error < 1e-8))
    return fmt::format("{}: vjp is off by {:.3g} in the Jacobian", c.name, report.jacobian_error);
  // A second use of the same input must add to its gradient, not replace it.
  const auto twice = gradcheck(
      [&](Tape& tape, std::span<const Var> x) {
        return std::vector<Var>{c.run(tape, x), c.run(tape, x)};
      },
      inputs, key.at("twice"));
  if (!(twice.direction_error < 1e-8))
    return fmt::format("{}: gradients of two uses do not add up: {:.3g}", c.name, twice.direction_error);
  return {};
}

std::string check_changes(const OpCase& c, RandomKey key) {
  const Space space = c.space.empty() ? Space() : Space::parse(c.space);
  const Inputs in = inputs_of(c, space, key, true);
  const Tensor cotangent = Tensor::zeros(result_shape(c, in), DType::f64);
  fill_normal(cotangent, key.at("cotangent"));
  const auto expected = gradients(c, in, cotangent);
  const std::size_t inputs = in.values.size();
  for (std::size_t which = 0; which <= inputs; ++which)
    for (const bool by_owner : {false, true}) {
      if (which == inputs && by_owner) continue;  // the result is the tape's
      Inputs own = in;
      for (Tensor& t : own.values) t = t.clone();
      Arena arena;
      Tape tape(arena);
      const auto vars = on_tape(tape, c, own, DType::f64, true);
      const Var y = c.run(tape, vars);
      const Tensor& changed = which == inputs ? y.value() : own.values[which];
      const Tensor view = changed.reshape({changed.numel()});
      (by_owner ? view : tape.mutable_value(tape.constant(view))).fill(0.4);
      try {
        tape.backward({&y, 1}, {&cotangent, 1});
      } catch (const AutogradError&) {
        continue;
      }
      for (std::size_t i = 0; i < inputs; ++i)
        if (numbers(tape.grad(vars[i]).value()) != numbers(expected[i]))
          return fmt::format("{}: {} was changed before the backward pass{}, which gives another gradient of input {}",
                             c.name, which == inputs ? "its result" : fmt::format("input {}", which),
                             by_owner ? " by its owner" : "", i);
    }
  return {};
}

std::string check_equivariance(const OpCase& c, RandomKey key) {
  const Space space = Space::parse(c.space);
  const Inputs in = inputs_of(c, space, key, true);
  const Shape shape = result_shape(c, in);
  const auto y = evaluate(c, in, DType::f64);
  Tensor cotangent = Tensor::zeros(shape, DType::f64);
  fill_normal(cotangent, key.at("cotangent"));
  const auto grads = gradients(c, in, cotangent);
  for (std::uint64_t trial = 0; trial < 3; ++trial) {
    const Element g = Element::random(space, key.at("element").at(trial)), dual = g.dual();
    const Inputs there = moved(c, g, in);
    if (const double e = relative_error(evaluate(c, there, DType::f64), moved_result(c, g, y, shape)); !(e < 1e-9))
      return fmt::format("{}: not equivariant, by {:.3g}", c.name, e);
    const Tensor moved_cotangent = c.result.empty() ? cotangent : moved(dual, c.result, cotangent);
    const auto got = gradients(c, there, moved_cotangent);
    for (std::size_t i = 0; i < grads.size(); ++i)
      if (const double e = relative_error(numbers(got[i]), numbers(moved(dual, c.tensors[i], grads[i]))); !(e < 1e-9))
        return fmt::format("{}: the gradient of '{}' does not transform by the dual, by {:.3g}", c.name, c.tensors[i],
                           e);
  }
  if (c.result.empty()) return {};
  Arena arena;
  Tape tape(arena);
  const Type got = c.run(tape, on_tape(tape, c, in, DType::f64, false)).type(),
             expected = space.type(space.tensor(c.result));
  if (!(got == expected))
    return fmt::format("{}: the result has type {}, expected {}", c.name, got.str(), expected.str());
  return {};
}

std::string check_refusal(const OpCase& c, RandomKey key) {
  const Space space = Space::parse(c.space);
  try {
    evaluate(c, inputs_of(c, space, key, true), DType::f64);
    return fmt::format("{}: was allowed, expected: {}", c.name, c.refusal);
  } catch (const TypeError& error) {
    if (error.what() != c.refusal)
      return fmt::format("{}: refused with\n  {}\nexpected\n  {}", c.name, error.what(), c.refusal);
  }
  const Inputs in = inputs_of(c, space, key, false);
  const Shape shape = result_shape(c, in);
  const auto y = evaluate(c, in, DType::f64);
  double worst = 0;
  bool undefined = false;
  for (std::uint64_t trial = 0; trial < 4; ++trial) {
    const Element g = Element::random(space, key.at("element").at(trial));
    const Inputs there = moved(c, g, in);
    const auto got = evaluate(c, there, DType::f64);
    if (all_finite(y) && !all_finite(got) && leaves(there, c.range))
      undefined = true;
    else
      worst = worse(worst, relative_error(got, moved_result(c, g, y, shape)));
  }
  if (!(worst > 1e-4 || undefined))
    return fmt::format("{}: refused, but no random element breaks equivariance ({:.3g})", c.name, worst);
  return {};
}

namespace {

/// The value, then the gradient of every input, for one cotangent.
std::vector<std::vector<double>> step_on(const OpCase& c, const Inputs& in, Tape& tape, DType dtype, RandomKey key) {
  std::vector<Var> vars;
  std::vector<std::vector<double>> out;
  for (std::size_t i = 0; i < in.values.size(); ++i) {
    const std::string_view name = c.space.empty() ? std::string_view{} : std::string_view(c.tensors[i]);
    vars.push_back(tape.leaf(in.values[i].to(dtype).on(tape.backend()), in.types[i], name));
  }
  const Var y = c.run(tape, vars);
  const Tensor cotangent = Tensor::zeros(y.shape(), DType::f64);
  fill_normal(cotangent, key.at("cotangent"));
  const Tensor rounded = cotangent.to(dtype);
  tape.backward({&y, 1}, {&rounded, 1});
  out.push_back(numbers(y.value().on(nullptr)));
  for (const Var& x : vars) out.push_back(numbers(tape.grad(x).value().on(nullptr)));
  return out;
}

}  // namespace

std::string check_device(const OpCase& c, RandomKey key, Backend& backend) try {
  if (!c.refusal.empty()) return {};
  const Space space = c.space.empty() ? Space() : Space::parse(c.space);
  const Inputs in = inputs_of(c, space, key, true);
  for (const DType dtype : {DType::f64, DType::f32}) {
    Arena host, memory(backend.memory());
    Tape here(host), there(memory);
    const auto expected = step_on(c, in, here, dtype, key), got = step_on(c, in, there, dtype, key);
    for (std::size_t i = 0; i < expected.size(); ++i)
      if (const double e = relative_error(got[i], expected[i]); !(e < (dtype == DType::f64 ? 1e-12 : 1e-5)))
        return fmt::format("{}: {} of {} differ on the device by {:.3g}", c.name, i ? "gradients" : "values",
                           name(dtype), e);
    there.reset();
    const std::size_t reserved = memory.reserved();
    if (step_on(c, in, there, dtype, key) != got) return fmt::format("{}: a second step has other bits", c.name);
    if (memory.reserved() != reserved) return fmt::format("{}: a second step takes more memory", c.name);
  }
  return {};
} catch (const Error& error) {
  return fmt::format("{}: unexpected {}", c.name, error.what());
}

std::string check_all(const OpCase& c, RandomKey key) {
  try {
    if (!c.refusal.empty()) return check_refusal(c, key);
    for (auto check : {check_value, check_vjp, check_changes})
      if (std::string wrong = check(c, key); !wrong.empty()) return wrong;
    return c.space.empty() ? std::string{} : check_equivariance(c, key);
  } catch (const Error& error) {
    return fmt::format("{}: unexpected {}", c.name, error.what());
  }
}

}  // namespace weft::testing
