#include "weft/tests/layer_checks.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "weft/core/backend.h"
#include "weft/core/difference.h"
#include "weft/ops/act.h"
#include "weft/ops/terms.h"
#include "weft/ops/view.h"
#include "weft/tests/with_threads.h"

namespace weft::testing {
namespace {

std::vector<Tensor> draw(std::span<const Shape> shapes, RandomKey key, double deviation) {
  std::vector<Tensor> all;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    all.push_back(Tensor::zeros(shapes[i], DType::f64));
    fill_normal(all.back(), key.at(i), 0, deviation);
  }
  return all;
}

std::vector<Tensor> converted(const std::vector<Tensor>& tensors, DType dtype) {
  std::vector<Tensor> all;
  for (const Tensor& t : tensors) all.push_back(t.to(dtype));
  return all;
}

}  // namespace

LayerData LayerData::to(DType dtype) const { return {converted(features, dtype), converted(learned, dtype)}; }

LayerData layer_data(const TermList& list, const Channels& c, RandomKey key) {
  LayerData data;
  for (int i = 0; i < static_cast<int>(list.in().tensors().size()); ++i) {
    const Shape shape = list.in().feature_shape(i, c.batch, c.d);
    data.features.push_back(Tensor::zeros(shape, DType::f64));
    fill_normal(data.features.back(), key.at("features").at(static_cast<std::uint64_t>(i)), 0,
                1 / std::sqrt(static_cast<double>(shape[shape.rank() - 1])));
  }
  std::vector<Shape> shapes;
  for (const TermParameter& p : list.parameters()) shapes.push_back(p.shape(c.e, c.d));
  data.learned = draw(shapes, key.at("learned"), 0.5);
  return data;
}

LayerResult run_layer(const Layer& layer, const TermList& list, const LayerData& data, bool train_psi, RandomKey key,
                      Backend* backend, const Meanwhile& meanwhile) {
  Arena arena(backend ? backend->memory() : host_memory());
  Tape tape(arena);
  Vars features, learned, leaves;
  for (std::size_t i = 0; i < data.features.size(); ++i)
    features.push_back(tape.leaf(data.features[i].on(backend), list.in().type(static_cast<int>(i))));
  leaves = features;
  for (std::size_t i = 0; i < data.learned.size(); ++i) {
    const bool frozen = list.parameters()[i].kind == ParameterKind::psi && !train_psi;
    const Tensor value = data.learned[i].on(backend);
    learned.push_back(frozen ? tape.constant(value) : tape.leaf(value));
    if (!frozen) leaves.push_back(learned.back());
  }
  const Vars outputs = layer(features, learned);
  LayerResult r;
  std::vector<Shape> shapes;
  for (const Var& y : outputs) {
    shapes.push_back(y.shape());
    r.values.push_back(y.value().on(nullptr));
  }
  std::vector<Tensor> cotangents;
  for (const Tensor& t : converted(draw(shapes, key.at("cotangents"), 1), outputs[0].dtype()))
    cotangents.push_back(t.on(backend));
  if (meanwhile) meanwhile(features, learned, outputs);
  tape.backward(outputs, cotangents);
  for (const Var& x : leaves) r.gradients.push_back(tape.grad(x).value().on(nullptr));
  return r;
}

Layer reference(const TermList& list, std::int64_t e, const LayerInput& input) {
  return [&list, e, input](std::span<const Var> x, std::span<const Var> learned) {
    Vars read(x.begin(), x.end()), y(list.out().tensors().size());
    for (std::size_t i = 0; i < read.size(); ++i) {
      if (input.activation) read[i] = unary(*input.activation, read[i]);
      const SpaceTensor& tensor = list.in().tensors()[i];
      if (input.dropout > 0 && tensor.axes.size() > 1)
        read[i] = channel_dropout(read[i], input.dropout, input.key.at(tensor.name));
    }
    run_terms(list, read, learned, e, y);
    return y;
  };
}

double channel_error(std::span<const Tensor> got, std::span<const Tensor> expected, std::size_t features) {
  double worst = relative_error(got, expected);
  for (std::size_t i = 0; i < std::min(got.size(), expected.size()); ++i)
    worst = worse(worst, relative_error_of_blocks(got[i], expected[i], i < features ? 1 : 0));
  return worst;
}

namespace {

bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!std::ranges::equal(a[i].span<double>(), b[i].span<double>())) return false;
  return true;
}

/// In float64: every feature and output, and some of the learned tensors.
std::string check_changes(const Layer& layer, const TermList& list, const LayerData& data, bool train_psi,
                          RandomKey key) {
  const LayerResult expected = run_layer(layer, list, data, train_psi, key);
  const auto check = [&](const char* what, std::size_t i, const Meanwhile& change) -> std::string {
    try {
      if (same_bits(run_layer(layer, list, data, train_psi, key, nullptr, change).gradients, expected.gradients))
        return {};
    } catch (const AutogradError&) {
      return {};
    }
    return fmt::format("{} {} was changed in place, and the backward pass gave other gradients", what, i);
  };
  std::string wrong;
  for (std::size_t i = 0; i < data.features.size() && wrong.empty(); ++i)
    wrong = check("feature", i, [i](auto x, auto, auto) { x[i].value().fill(0.3); });
  for (std::size_t i = 0; i < expected.values.size() && wrong.empty(); ++i)
    wrong = check("output", i, [i](auto, auto, auto y) { y[i].tape().mutable_value(y[i]).fill(0.3); });
  const std::size_t stride = 1 + data.learned.size() / 4;
  for (std::size_t i = 0; i < data.learned.size() && wrong.empty(); i += stride)
    wrong = check("learned tensor", i, [i](auto, auto learned, auto) { learned[i].value().fill(0.3); });
  return wrong;
}

}  // namespace

std::string check_layer(const Layer& fast, const Layer& slow, const TermList& list, const LayerData& data,
                        bool train_psi, RandomKey key) {
  // Masks of dropout are drawn in the type of the features, so float32 is held against its own reference.
  for (const auto& [dtype, tolerance] : {std::pair{DType::f64, 1e-10}, std::pair{DType::f32, 2e-4}}) {
    const LayerData typed = data.to(dtype);
    const LayerResult got = run_layer(fast, list, typed, train_psi, key),
                      expected = run_layer(slow, list, typed, train_psi, key);
    const double values = channel_error(got.values, expected.values, got.values.size()),
                 gradients = channel_error(got.gradients, expected.gradients, data.features.size());
    if (!(values <= tolerance && gradients <= tolerance))
      return fmt::format("{}: values differ by {:.3g}, gradients by {:.3g}; allowed: {:.0e}", name(dtype), values,
                         gradients, tolerance);
  }
  return check_changes(fast, list, data, train_psi, key);
}

double group_error(const Layer& layer, const TermList& list, const LayerData& data, const Space& acting, RandomKey key,
                   const ElementRange& range) {
  auto evaluate = [&](const std::vector<Tensor>& x) {
    Arena arena;
    Tape tape(arena);
    Vars features, learned;
    for (std::size_t i = 0; i < x.size(); ++i)
      features.push_back(tape.constant(x[i], list.in().type(static_cast<int>(i))));
    for (const Tensor& t : data.learned) learned.push_back(tape.constant(t));
    std::vector<Tensor> y;
    for (const Var& v : layer(features, learned)) y.push_back(v.value().clone());
    return y;
  };
  auto moved = [&](const Element& g, std::vector<Tensor> x) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = act(g, static_cast<int>(i), x[i]);
    return x;
  };
  const std::vector<Tensor> y = evaluate(data.features);
  const bool invariant = y.size() != data.features.size();
  double worst = 0;
  for (std::uint64_t trial = 0; trial < 4; ++trial) {
    const Element g = Element::random(acting, key.at("element").at(trial), range);
    worst = worse(worst, relative_error(evaluate(moved(g, data.features)), invariant ? y : moved(g, y)));
  }
  return worst;
}

std::string check_threads(const Layer& layer, const TermList& list, const LayerData& data, RandomKey key) {
  const LayerData narrow = data.to(DType::f32);
  std::string wrong;
  LayerResult one;
  for (const int n : {1, 2, 4}) {
    const WithThreads with(n);
    const LayerResult r = run_layer(layer, list, narrow, true, key);
    auto same = [](const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
      for (std::size_t i = 0; i < a.size(); ++i)
        if (!std::ranges::equal(a[i].span<float>(), b[i].span<float>())) return false;
      return true;
    };
    if (n == 1)
      one = r;
    else if (!same(one.values, r.values) || !same(one.gradients, r.gradients))
      wrong = fmt::format("other bits on {} threads", n);
  }
  return wrong;
}

}  // namespace weft::testing
