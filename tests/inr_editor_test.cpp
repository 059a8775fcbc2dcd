// The INR editor (spec 2.6): equivariant under hidden permutations and no more, near the identity at the start.

#include "weft/nfn/models/inr_editor.h"

#include <algorithm>

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/groups/element.h"
#include "weft/groups/sine_group.h"
#include "weft/nfn/models/sine_editor.h"
#include "weft/ops/act.h"
#include "weft/ops/view.h"

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

namespace {

/// Edited networks, [2, outputs, axes…].
template <class Editor>
Weights edited(const Editor& editor, const Weights& x) {
  Tape tape;
  Weights all;
  const Features y = editor(Features::constant(tape, editor.space(), x));
  for (const Var& t : y.vars()) all.push_back(t.value().clone());
  return all;
}

/// Channel c alone.
Weights channel(const Weights& x, std::int64_t c) {
  Weights all;
  for (const Tensor& t : x) {
    Tape tape;
    all.push_back(slice(tape.constant(t), 1, c, c + 1).value().clone());
  }
  return all;
}

/// How far editing a moved network is from moving the edited one, the worst of all outputs.
template <class Editor>
double sine_error(const Editor& editor, std::int64_t outputs, const SineMoves& moves) {
  const RandomKey key(4, "inr_editor_test");
  const Weights x = networks(editor.space(), DType::f64, key);
  const SineElement g = SineElement::random(editor.space(), siren_omega, moves, key.at("element"));
  const Weights of_moved = edited(editor, g(x)), of_x = edited(editor, x);
  double worst = 0;
  for (std::int64_t c = 0; c < outputs; ++c)
    worst = worse(worst, relative_error(channel(of_moved, c), g(channel(of_x, c))));
  return worst;
}

}  // namespace

TEST_CASE("inr editor: every kind of layers respects what it says, with several outputs, too") {
  for (const InrLayers kind : {InrLayers::magep, InrLayers::np, InrLayers::hnp, InrLayers::monomial}) {
    CAPTURE(static_cast<int>(kind));
    InrEditor::Config config = small;
    config.kind = kind;
    config.outputs = 3;
    const InrEditor editor(config);
    editor.init(RandomKey(5, "inr_editor_test"), DType::f64);
    CHECK(sine_error(editor, 3, {.permute = true}) < 1e-9);
    const double flipped = sine_error(editor, 3, {.permute = true, .flip = true});
    if (kind == InrLayers::monomial)
      CHECK(flipped < 1e-9);
    else
      CHECK(flipped > 1e-5);
    CHECK(sine_error(editor, 3, {.shift = true}) > 1e-5);
  }
}

TEST_CASE("sine editor: equivariant under permutations, flips and shifts, alone and together") {
  const SineEditor editor({.widths = {2, 5, 6, 3}, .frequencies = 4, .d = 6, .layers = 2, .outputs = 2});
  editor.init(RandomKey(6, "inr_editor_test"), DType::f64);
  for (const SineMoves& moves : {SineMoves{.permute = true}, SineMoves{.flip = true}, SineMoves{.shift = true},
                                 SineMoves{.permute = true, .flip = true, .shift = true}})
    CHECK(sine_error(editor, 2, moves) < 1e-9);
  CHECK(sine_error(editor, 2, {.shift = true, .shift_by = 0.5}) > 1e-5);
  CHECK(sine_error(editor, 2, {.flip = true, .whole_flips = false}) > 1e-5);
}
