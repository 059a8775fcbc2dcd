// Every layer of the functional networks on the device against the CPU, whose schedules are others.

#include "weft/groups/derive.h"
#include "weft/nfn/linear/linear.h"
#include "weft/nfn/magep/equivariant.h"
#include "weft/nfn/magep/invariant.h"
#include "weft/nfn/pooling.h"
#include "weft/nfn/transformer/equivariant.h"
#include "weft/nfn/transformer/invariant.h"
#include "weft/tests/device/module_checks.h"

using namespace weft;
using namespace weft::testing;

namespace {

constexpr std::int64_t d = 2, e = 3;
const std::vector<std::int64_t> widths = {2, 5, 4, 3};
const std::array<std::int64_t, 2> taps[] = {{2, 2}, {1, 1}, {1, 2}};

void check(const ModuleCase& c, const Made& made, const std::string& name) {
  const std::string wrong = check_module(c, made, RandomKey(1, name));
  CHECK_MESSAGE(wrong.empty(), name, ", ", c.space.str(), ": ", wrong);
}

Vars vars_of(const Features& x) { return {x.vars().begin(), x.vars().end()}; }
Vars vars_of(const Var& x) { return {x}; }

/// A layer that reads its input as `input` says.
template <class Layer, class... Args>
Made made(const LayerInput& input, Args... args) {
  return [=](const Module& model) -> Run {
    const auto layer = std::make_shared<Layer>(model, "layer", args...);
    return [=](const Features& x) { return vars_of((*layer)(x, input)); };
  };
}
/// One that reads it as it is.
template <class Layer, class... Args>
Made made_plain(Args... args) {
  return [=](const Module& model) -> Run {
    const auto layer = std::make_shared<Layer>(model, "layer", args...);
    return [=](const Features& x) { return vars_of((*layer)(x)); };
  };
}

const LayerInput dropped{.activation = UnaryOp::Tanh, .dropout = 0.3, .key = RandomKey(2, "dropout")};

}  // namespace

TEST_CASE("derived linear layers: plain products, means, diagonals") {
  const Space monomial = mlp_space(widths, FactorKind::positive_monomial),
              signs = mlp_space(widths, FactorKind::sign_monomial),
              permuted =
                  mlp_space(widths, FactorKind::permutation).with_kind(FactorKind::fixed, FactorKind::permutation),
              taps_in = cnn_space(widths, taps, FactorKind::positive_monomial), folded = taps_in.without_taps(),
              square = Space::parse("p: permutation(4) A[p] B[p, p]");
  check({monomial, d}, made<LinearLayer>({}, monomial, monomial, derive_linear(monomial, monomial), d, e), "products");
  check({signs, d}, made<LinearLayer>(dropped, signs, signs, derive_linear(signs, signs), d, e), "signs");
  check({permuted, d},
        made<LinearLayer>(dropped, permuted, permuted, derive_linear(permuted, permuted, {.means = true}), d, e),
        "means");
  check({taps_in, 1}, made<LinearLayer>({}, taps_in, folded, derive_linear(taps_in, folded), 1, e), "taps");
  check({square, d}, made<LinearLayer>({}, square, square, derive_linear(square, square), d, e), "diagonals");
}

TEST_CASE("Fourier features, alone and before a linear layer") {
  const Space space = mlp_space(widths, FactorKind::permutation);
  for (const bool sines : {false, true}) {
    check(
        {space},
        [sines](const Module& model) -> Run {
          const int f = model.add_parameter("f", {4}, Init::normal(0.3), false);
          return [model, f, sines](const Features& x) {
            Vars y;
            for (const Var& v : x.vars()) y.push_back(fourier_features(v, model.on(v.tape(), f), sines));
            return y;
          };
        },
        "fourier_features");
    const Space monomial = mlp_space(widths, FactorKind::positive_monomial);
    check({space, 1, false},
          made_plain<FourierLinear>(space, space, derive_linear(monomial, monomial), FourierOptions{4, 0.3, sines}, e),
          "fourier_linear");
  }
}

TEST_CASE("MAGEP's layers, with one output and several, psi frozen and trained") {
  for (const auto& n : {widths, {3, 4, 1}})
    for (const bool train_psi : {false, true}) {
      const Space space = mlp_space(n, FactorKind::sign_monomial);
      check({space, d}, made<MagepEquivariant>(dropped, space, d, e, train_psi), "E");
      check({space, d}, made<MagepInvariant>(dropped, space, d, e, train_psi), "I");
    }
}

TEST_CASE("Transformer-NFN's layers, whose gradients are outer products on the CPU") {
  const Space block = transformer_space({4, 5, 2, 3, 2}, false);
  for (const LayerInput& input : {LayerInput{}, LayerInput{.activation = UnaryOp::Relu}}) {
    check({block, d}, made<TransformerEquivariant>(input, block, d, e), "E");
    check({block, d}, made<TransformerInvariant>(input, block, d, e), "I");
  }
}

TEST_CASE("a layer of typed terms") {
  const Space space = mlp_space(widths, FactorKind::positive_monomial);
  check({space, d}, made<TermLayer>(LayerInput{}, space, space, derive_linear(space, space), d, e), "terms");
}

TEST_CASE("pools, learned scales and position embeddings") {
  for (const FactorKind kind : {FactorKind::permutation, FactorKind::sign_monomial, FactorKind::positive_monomial}) {
    const Space space = cnn_space(widths, taps, kind);
    check({space, d}, made_plain<NormalisingPool>(space, d), "normalising_pool");
    check({space, d}, made_plain<LearnedScale>(space, 0.5), "learned_scale");
  }
  const Space space = cnn_space(widths, taps, FactorKind::permutation);
  check(
      {space, d},
      [](const Module& model) -> Run {
        model.add_parameter("unused", {1}, Init::zeros());
        return [](const Features& x) { return Vars{mean_pool(x)}; };
      },
      "mean_pool");
  static constexpr std::string_view ends[] = {"in", "out"};
  check({space, d}, made_plain<PositionEmbedding>(space, d, std::span(ends)), "position_embedding");
}
