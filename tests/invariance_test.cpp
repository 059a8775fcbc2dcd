// The groups of input networks leave their functions unchanged (spec 1.1, 1.2, 1.4): f(x; gU) = f(x; U).

#include <cmath>
#include <functional>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "weft/core/difference.h"
#include "weft/groups/element.h"
#include "weft/nfn/forward.h"
#include "weft/ops/act.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"

using namespace weft;

namespace {

constexpr std::int64_t batch = 2;

using Weights = std::vector<Tensor>;

Tensor normals(const Shape& shape, RandomKey key, double deviation = 1) {
  const Tensor t = Tensor::zeros(shape, DType::f64);
  fill_normal(t, key, 0, deviation);
  return t;
}

/// A network: a function on a tape of weights that are features of `space`.
struct Network {
  Space space;
  std::function<Var(Tape&, std::span<const Var>)> run;
  double deviation = 1;  ///< of its weights

  Weights weights(RandomKey key) const {
    Weights u;
    for (int i = 0; i < static_cast<int>(space.tensors().size()); ++i)
      u.push_back(normals(space.feature_shape(i, batch, 1), key.at(static_cast<std::uint64_t>(i)), deviation));
    return u;
  }
  /// With the types of `types`, when it is given: the engine then checks every step.
  std::vector<double> operator()(const Weights& u, const Space* types = nullptr) const {
    Arena arena;
    Tape tape(arena);
    std::vector<Var> vars;
    for (std::size_t i = 0; i < u.size(); ++i) {
      const auto& name = space.tensors()[i].name;
      const Type type = types ? types->type(static_cast<int>(i)) : Type::plain(u[i].rank());
      vars.push_back(tape.constant(u[i], type, name));
    }
    const Tensor y = run(tape, vars).value();
    return {y.span<double>().begin(), y.span<double>().end()};
  }
};

Weights moved(const Element& g, const Weights& u) {
  Weights out;
  for (std::size_t i = 0; i < u.size(); ++i) out.push_back(act(g, static_cast<int>(i), u[i]));
  return out;
}

/// How much random elements of the group of `group`, whose tensors are shaped as the network's, change its function:
/// the largest and the smallest relative change of a few.
struct Change {
  double largest = 0, smallest = INFINITY;
};
Change change(const Network& f, const Space& group, std::uint64_t seed) {
  const RandomKey key(seed, "invariance");
  const Weights u = f.weights(key.at("weights"));
  const auto y = f(u);
  Change c;
  for (std::uint64_t trial = 0; trial < 4; ++trial) {
    const Element g = Element::random(group, key.at("element").at(trial));
    const double error = relative_error(f(moved(g, u)), y);
    c.largest = worse(c.largest, error);
    c.smallest = -worse(-c.smallest, -error);
  }
  return c;
}

void symmetric(const Network& f, const Space& group, std::uint64_t seed) {
  CHECK_MESSAGE(change(f, group, seed).largest < 1e-9, group.str());
}
/// Every random element changes the function: the check above can fail.
void broken(const Network& f, const Space& group, std::uint64_t seed) {
  CHECK_MESSAGE(change(f, group, seed).smallest > 1e-4, group.str());
}

struct Activation {
  UnaryOp op;
  std::optional<double> p;
  bool homogeneous, odd;
};
const Activation activations[] = {
    {UnaryOp::Relu, {}, true, false},  {UnaryOp::LeakyRelu, 0.1, true, false}, {UnaryOp::Tanh, {}, false, true},
    {UnaryOp::Sin, 30, false, true},   {UnaryOp::Sin, 1, false, true},         {UnaryOp::Sigmoid, {}, false, false},
    {UnaryOp::Gelu, {}, false, false},
};

Network mlp(std::span<const std::int64_t> widths, const Activation& a) {
  const Tensor x = normals({batch, 1, 5, widths[0]}, RandomKey(1, "x"));
  // A sine of high frequency wants small weights (Sitzmann et al. 2020).
  return {mlp_space(widths, FactorKind::permutation),
          [x, a](Tape& tape, std::span<const Var> u) { return mlp_forward(u, tape.constant(x), a.op, a.p); },
          a.p > 1.0 ? 1 / *a.p : 1};
}

const std::vector<std::vector<std::int64_t>> all_widths = {{3, 5, 2}, {2, 6, 4, 3}, {1, 4, 7, 5, 2}};

struct Convolutions {
  std::vector<std::int64_t> widths = {2, 4, 5, 3, 6, 2};
  std::vector<PatchShape> layers = {{3, 2, 1, 1}, {2, 3, 2, 0}, {1, 1, 2, 1}};

  Space space(FactorKind kind) const {
    std::vector<std::array<std::int64_t, 2>> taps(widths.size() - 1, {1, 1});
    for (std::size_t i = 0; i < layers.size(); ++i) taps[i] = {layers[i].rows, layers[i].columns};
    return cnn_space(widths, taps, kind);
  }
  Tensor images() const { return normals({batch, 3, widths[0], 6, 7}, RandomKey(2, "images")); }
  Network network(UnaryOp act) const {
    return {space(FactorKind::permutation), [x = images(), act, layers = layers](Tape& tape, std::span<const Var> u) {
              return cnn_forward(u, layers, tape.constant(x), act);
            }};
  }
};

constexpr TransformerShape block_shape{6, 5, 3, 4, 2};

/// Blocks one after another, on inputs that no group moves.
Network blocks(int count) {
  TransformerShape shape = block_shape;
  shape.blocks = count;
  const Tensor x = normals({batch, 1, 4, shape.D}, RandomKey(3, "tokens"));
  return {transformer_space(shape, false), [x, count](Tape& tape, std::span<const Var> u) {
            Var y = tape.constant(x);
            for (int b = 0; b < count; ++b)
              y = transformer_block_forward(u.subspan(8 * static_cast<std::size_t>(b), 8), y, false);
            return y;
          }};
}

/// The tensors around the blocks of a transformer: `stream` and `read` are the axes that embedding and classifier have.
Space with_ends(const Space& blocks, const char* stream, const char* read) {
  return Space::parse(
      fmt::format("word: fixed(3); place: fixed(4); class: fixed(2); {} embedding[word, {}] "
                  "positions[place, {}] classifier[{}, class]",
                  blocks.str(), stream, stream, read));
}

/// Embedding and positions, blocks on a residual stream, layer norm, classifier (spec 1.4).
Network stream(int count) {
  TransformerShape shape = block_shape;
  shape.blocks = count;
  const Tensor words = normals({batch, 1, 4, 3}, RandomKey(4, "words")),
               places = Tensor::zeros({batch, 1, 4, 4}, DType::f64);
  for (std::int64_t i = 0; i < batch * 16; ++i) places.data<double>()[i] = i % 16 % 5 == 0;
  return {with_ends(transformer_space(shape, true), "s", "s*"),
          [words, places, count](Tape& tape, std::span<const Var> u) {
            const auto blocks = static_cast<std::size_t>(count) * 8;
            Var y = add(contract("bcnw,bcws->bcns", tape.constant(words), u[blocks]),
                        contract("bcnt,bcts->bcns", tape.constant(places), u[blocks + 1]));
            for (std::size_t b = 0; b < blocks; b += 8) y = transformer_block_forward(u.subspan(b, 8), y, true);
            return contract("bcns,bcso->bcno", layer_norm(y), u[blocks + 2]);
          }};
}

/// The group of such a network as if it had no stream: a permutation of each block's own between attention and MLP.
Space without_stream(int count) {
  TransformerShape shape = block_shape;
  shape.blocks = count;
  return with_ends(transformer_space(shape, false), "m.0", fmt::format("m.{}", count - 1).c_str());
}

/// The same tensors under another group: parts of the text exchanged.
Space regrouped(const Space& space, std::initializer_list<std::pair<std::string, std::string>> changes) {
  std::string text = space.str();
  for (const auto& [from, to] : changes) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
  }
  return Space::parse(text);
}

}  // namespace

TEST_CASE("dense networks: every row of spec 1.1 leaves the function unchanged, every other group changes it") {
  for (std::size_t w = 0; w < all_widths.size(); ++w)
    for (const Activation& a : activations) {
      const Network f = mlp(all_widths[w], a);
      INFO(traits(a.op).name, " ", a.p.value_or(0));
      symmetric(f, mlp_space(all_widths[w], FactorKind::permutation), w);
      const Space scales = mlp_space(all_widths[w], FactorKind::positive_monomial),
                  signs = mlp_space(all_widths[w], FactorKind::sign_monomial);
      (a.homogeneous ? symmetric : broken)(f, scales, w);
      (a.odd ? symmetric : broken)(f, signs, w);
      const std::string ends = fmt::format("({})", all_widths[w][0]);
      broken(f, regrouped(f.space, {{"in: fixed" + ends, "in: GL" + ends}}), w);  // the inputs stay
    }
}

TEST_CASE("dense networks: the typed run is accepted for symmetries and refused for the rest") {
  const auto& widths = all_widths[1];
  for (const Activation& a : activations) {
    const Network f = mlp(widths, a);
    const Weights u = f.weights(RandomKey(5, "typed"));
    const auto plain = f(u);
    for (FactorKind kind : {FactorKind::permutation, FactorKind::positive_monomial, FactorKind::sign_monomial}) {
      const Space space = mlp_space(widths, kind);
      const bool allowed =
          kind == FactorKind::permutation || (kind == FactorKind::positive_monomial ? a.homogeneous : a.odd);
      INFO(traits(a.op).name, " ", space.str());
      if (allowed) {
        CHECK(f(u, &space) == plain);
        continue;
      }
      const std::string why =
          fmt::format("[{0}] tensor '', axis 0 'h1' ({1}(6)): {0} is not {2}", traits(a.op).name, kind->name,
                      kind == FactorKind::positive_monomial ? "homogeneous; use relu or leaky_relu"
                                                            : "odd; use tanh or sin, or take abs first");
      CHECK_THROWS_WITH_AS(f(u, &space), why.c_str(), TypeError);
    }
    const Space mixed = mlp_space(widths, FactorKind::GL);
    CHECK_THROWS_WITH_AS(
        f(u, &mixed),
        fmt::format("[{0}] tensor '', axis 0 'h1' (GL(6)): no pointwise function commutes with GL, {0} "
                    "neither; contract the axis first",
                    traits(a.op).name)
            .c_str(),
        TypeError);
  }
}

TEST_CASE("dense networks: the gradient of the function moves by the dual") {
  const auto& widths = all_widths[1];
  const Space space = mlp_space(widths, FactorKind::positive_monomial);
  const Network f = mlp(widths, activations[0]);
  const Weights u = f.weights(RandomKey(6, "gradient"));
  const Element g = Element::random(space, RandomKey(6, "element"));
  const Tensor cotangent = normals({batch, 1, 5, widths.back()}, RandomKey(6, "cotangent"));
  auto gradients = [&](const Weights& w) {
    Arena arena;
    Tape tape(arena);
    std::vector<Var> vars;
    for (std::size_t i = 0; i < w.size(); ++i) vars.push_back(tape.leaf(w[i], space.type(static_cast<int>(i))));
    const Var y = f.run(tape, vars);
    tape.backward({&y, 1}, {&cotangent, 1});
    Weights out;
    for (const Var& x : vars) out.push_back(tape.grad(x).value().clone());
    return out;
  };
  const Weights here = moved(g.dual(), gradients(u)), there = gradients(moved(g, u));
  for (std::size_t i = 0; i < u.size(); ++i)
    CHECK(relative_error(there[i].span<double>(), here[i].span<double>()) < 1e-10);
}

TEST_CASE("convolutional networks with stride and padding: function and groups of spec 1.1") {
  const Convolutions c;
  for (const auto& [act, symmetry, other] :
       {std::tuple{UnaryOp::Relu, FactorKind::positive_monomial, FactorKind::sign_monomial},
        {UnaryOp::Tanh, FactorKind::sign_monomial, FactorKind::positive_monomial}}) {
    const Network f = c.network(act);
    symmetric(f, c.space(FactorKind::permutation), 1);
    symmetric(f, c.space(symmetry), 2);
    broken(f, c.space(other), 3);
    broken(f, c.space(FactorKind::GL), 4);
  }
}

TEST_CASE("transformer blocks: the group of spec 1.2 leaves the function unchanged, others change it") {
  for (int count : {1, 2, 3}) {
    const Network f = blocks(count);
    symmetric(f, f.space, static_cast<std::uint64_t>(count));
  }
  const Network f = blocks(1);
  std::uint64_t seed = 10;
  auto control = [&](std::initializer_list<std::pair<std::string, std::string>> changes) {
    broken(f, regrouped(f.space, changes), ++seed);
  };
  // Keys that move as queries do, outputs as values: right for orthogonal matrices only.
  control({{"WK[h, m, q*]", "WK[h, m, q]"}});
  control({{"WO[h, v*, s]", "WO[h, v, s]"}});
  // Heads that part company: queries and keys with one permutation, values and outputs with another.
  const Space apart =
      regrouped(f.space, {{"v: GL(2) per h", "g: permutation(3); v: GL(2) per g"}, {"WV[h", "WV[g"}, {"WO[h", "WO[g"}});
  CHECK(change(f, apart, 10).largest > 1e-4);  // of three heads, two permutations may be the same
  // The inputs stay, ReLU keeps no signs, layer norm neither scales nor a GL.
  control({{"m: fixed(6)", "m: permutation(6)"}});
  control({{"a: permutation(5)", "a: sign_monomial(5)"}});
  control({{"s: permutation(6)", "s: positive_monomial(6)"}});
  control({{"s: permutation(6)", "s: GL(6)"}});
}

TEST_CASE("residual streams: one permutation for the whole network, and none of each block's own") {
  for (int count : {1, 2, 3}) {
    const Network f = stream(count);
    symmetric(f, f.space, static_cast<std::uint64_t>(count) + 20);
    broken(f, regrouped(f.space, {{"s: permutation(6)", "s: positive_monomial(6)"}}), 24);
    broken(f, regrouped(f.space, {{"s: permutation(6)", "s: sign_monomial(6)"}}), 25);
    // Fixed positions lie on the stream too: they may not stay behind.
    broken(f,
           regrouped(f.space, {{"place: fixed(4)", "place: fixed(4); t: fixed(6)"},
                               {"positions[place, s]", "positions[place, t]"}}),
           26);
  }
  const Network f = stream(2);
  broken(f, without_stream(2), 27);
  symmetric(f, regrouped(without_stream(2), {{"s.0: permutation", "s.0: fixed"}, {"s.1: permutation", "s.1: fixed"}}),
            28);
}

TEST_CASE("transformers: the typed run is accepted for the groups and refused elsewhere") {
  const Network residual = stream(2);
  for (const Network& f : {blocks(2), residual}) {
    const Weights u = f.weights(RandomKey(7, "typed"));
    CHECK(f(u, &f.space) == f(u));
  }
  const Network f = blocks(1);
  auto refused = [&](const char* from, const char* to, const char* why) {
    const Space space = regrouped(f.space, {{from, to}});
    CHECK_THROWS_WITH_AS(f(f.weights(RandomKey(7, "typed")), &space), why, TypeError);
  };
  refused("WK[h, m, q*]", "WK[h, m, q]",
          "[contract] tensor '', axis 2 'q' (GL(4) per h): contracted with axis 2 'q' of tensor '' in the same role; "
          "allowed: a vector with a covector");
  refused(
      "m: fixed(6)", "m: permutation(6)",
      "[contract] tensor 'WQ', axis 1 'm' (permutation(6)): paired with a free axis of ''; give both the same factor");
  refused("a: permutation(5)", "a: sign_monomial(5)",
          "[relu] tensor '', axis 0 'a' (sign_monomial(5)): relu is not odd; use tanh or sin, or take abs first");
  refused(
      "s: permutation(6)", "s: positive_monomial(6)",
      "[layer_norm] tensor '', axis 0 's' (positive_monomial(6)): layer_norm does not commute with scaling; normalise "
      "over the channels first, or contract the axis");
  const Space free = without_stream(2);
  CHECK_THROWS_WITH_AS(residual(residual.weights(RandomKey(7, "typed")), &free),
                       "[add] tensor '', axis 0 'm.0' (fixed(6)): axis 's.0' of tensor '' stands against it; both must "
                       "transform alike",
                       TypeError);
}
