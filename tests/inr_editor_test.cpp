// The INR editor (spec 2.6): equivariant under hidden permutations and no more, near the identity at the start.

#include "weft/nfn/models/inr_editor.h"

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/groups/element.h"
#include "weft/ops/act.h"

using namespace weft;

namespace {

using Weights = std::vector<Tensor>;

Weights networks(const Space& space, DType dtype, RandomKey key) {
  Weights all;
  for (int i = 0; i < static_cast<int>(space.tensors().size()); ++i) {
    all.push_back(Tensor::zeros(space.feature_shape(i, 2, 1), dtype));
    fill_normal(all.back(), key.at(static_cast<std::uint64_t>(i)), 0, 0.1);
  }
  return all;
}

Weights moved(const Element& g, Weights x) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = act(g, static_cast<int>(i), x[i]);
  return x;
}

std::span<const Var> run(const InrEditor& editor, Tape& tape, const Weights& x) {
  return editor(Features::constant(tape, editor.space(), x)).vars();
}

/// What the editor adds.
Weights edits(const InrEditor& editor, const Weights& x) {
  Arena arena;
  Tape tape(arena);
  const std::span<const Var> out = run(editor, tape, x);
  Weights all;
  for (std::size_t i = 0; i < x.size(); ++i) {
    all.push_back(out[i].value().clone());
    for (std::int64_t k = 0; k < x[i].numel(); ++k) all.back().data<double>()[k] -= x[i].data<double>()[k];
  }
  return all;
}

const InrEditor::Config small{.widths = {2, 5, 6, 3}, .lift = 3, .mixed = 4, .d = 6, .frequencies = 5, .deviation = 1};

}  // namespace

TEST_CASE("inr editor: equivariant under hidden permutations, not under signs or moved ends") {
  const InrEditor editor(small);
  [[maybe_unused]] Parameters& parameters = editor.parameters();
  const RandomKey key(1, "inr_editor_test");
  parameters.allocate(DType::f64, key);
  const Weights x = networks(editor.space(), DType::f64, key), y = edits(editor, x);
  auto group_error = [&](const Space& acting) {
    const Element g = Element::random(acting, key);
    return relative_error(edits(editor, moved(g, x)), moved(g, y));
  };
  CHECK(group_error(editor.space()) < 1e-9);
  CHECK(group_error(mlp_space(small.widths, FactorKind::sign_monomial)) > 1e-4);
  CHECK(group_error(editor.space().with_kind(FactorKind::fixed, FactorKind::permutation)) > 1e-4);
}

TEST_CASE("inr editor: a step repeats bit by bit and takes no new memory") {
  const InrEditor editor(small);
  [[maybe_unused]] Parameters& parameters = editor.parameters();
  parameters.allocate(DType::f32, RandomKey(2, "inr_editor_test"));
  const Weights x = networks(editor.space(), DType::f32, RandomKey(3, "inr_editor_test"));
  Arena arena;
  Tape tape(arena);
  Tensor first;
  std::size_t reserved = 0;
  for (int step = 0; step < 3; ++step) {
    const std::span<const Var> y = run(editor, tape, x);
    tape.backward(y, x);
    const Tensor g = parameters.flat_grads();
    if (step == 0) first = g.clone(), reserved = arena.reserved();
    CHECK(arena.reserved() == reserved);
    CHECK(std::ranges::equal(g.span<float>(), first.span<float>()));
    CHECK(std::ranges::any_of(g.span<float>(), [](float v) { return v != 0; }));
    tape.reset();
  }
}

TEST_CASE("inr editor: the gradient of all parameters along a random direction") {
  const InrEditor editor(small);
  [[maybe_unused]] Parameters& parameters = editor.parameters();
  const RandomKey key(4, "inr_editor_test");
  parameters.allocate(DType::f64, key);
  const Weights x = networks(editor.space(), DType::f64, key.at("networks"));
  Weights cotangent = networks(editor.space(), DType::f64, key.at("cotangent"));
  Arena arena;
  Tape tape(arena);
  auto value = [&] {
    const std::span<const Var> y = run(editor, tape, x);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i)
      for (std::int64_t k = 0; k < x[i].numel(); ++k)
        sum += y[i].value().data<double>()[k] * cotangent[i].data<double>()[k];
    tape.reset();
    return sum;
  };
  tape.backward(run(editor, tape, x), cotangent);
  const Tensor values = parameters.flat_values(), gradient = parameters.flat_grads().clone();
  tape.reset();
  const Tensor start = values.clone(), direction = Tensor::zeros(gradient.shape(), DType::f64);
  fill_normal(direction, key.at("direction"));
  double expected = 0;
  for (std::int64_t i = 0; i < gradient.numel(); ++i)
    expected += gradient.data<double>()[i] * direction.data<double>()[i];
  auto along = [&](double step) {
    for (std::int64_t i = 0; i < gradient.numel(); ++i)
      values.data<double>()[i] = start.data<double>()[i] + step * direction.data<double>()[i];
    parameters.changed();
    return value();
  };
  const double h = 1e-7;  // small: a ReLU that changes sides between the two is a kink
  const double found = (along(h) - along(-h)) / (2 * h);
  CHECK(std::abs(expected) > 1e-3);
  CHECK(found == doctest::Approx(expected).epsilon(1e-6));
}
