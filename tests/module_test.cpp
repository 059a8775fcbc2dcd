// Modules: parts under names, the printed form, files, proofs.

#include "weft/nn/module.h"

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/groups/derive.h"
#include "weft/nfn/linear/linear.h"
#include "weft/nn/layers.h"
#include "weft/tests/files.h"

using namespace weft;

namespace {

const Space space = Space::parse("i: fixed(2); h: positive_monomial(3) W[h, i*] b[h]");
const Space set = Space::parse("n: permutation(3) R[n, n]");

/// A model of parts within parts, and a tensor of its own.
struct Sample : Module {
  struct Readout : Module {
    Readout(const Module& parent, std::string_view name)
        : Module(parent, name), first(*this, "first", 4, 3), last(*this, "last", 3, 1) {}
    Var operator()(const Var& x) const { return last(first(x, UnaryOp::Relu)); }
    Linear first, last;
  };

  Sample()
      : Module("sample"),
        lift(*this, "lift", space, space, derive_linear(space, space), 1, 2),
        readout(*this, "readout"),
        bias(add_parameter("bias", {1}, Init::zeros(), false)) {}
  LinearLayer lift;
  Readout readout;
  int bias;
};

}  // namespace

TEST_CASE("modules: parameters have their parts' names, and the printed form says what there is") {
  const Sample sample;
  const Parameters& p = sample.parameters();
  CHECK(p.name(0) == "lift.W.phi1");
  CHECK(p.shape(p.find("readout.first.weight")) == Shape{3, 4});
  CHECK(sample.str() ==
        "sample: 37 learned numbers, 138 flops a network\n"
        "    bias [1] frozen\n"
        "  lift: linear_layer 1 -> 2, 4 terms, 18 numbers, 108 flops\n"
        "    W.phi1 [2, 1, 2, 2]\n"
        "    W.phi2 [2, 1, 2]\n"
        "    b.phi1 [2, 1, 2]\n"
        "    b.phi2 [2, 1]\n"
        "  readout.first: linear 4 -> 3, 15 numbers, 24 flops\n"
        "    weight [3, 4]\n"
        "    bias [3]\n"
        "  readout.last: linear 3 -> 1, 4 numbers, 6 flops\n"
        "    weight [1, 3]\n"
        "    bias [1]\n");
  CHECK(sample.flops(10) == doctest::Approx(1380));
  // Of a part, what it and its own parts are.
  CHECK(sample.readout.flops(1) == doctest::Approx(30));
  CHECK(sample.readout.str() ==
        "readout: 19 learned numbers, 30 flops a network\n"
        "  readout.first: linear 4 -> 3, 15 numbers, 24 flops\n"
        "    weight [3, 4]\n"
        "    bias [3]\n"
        "  readout.last: linear 3 -> 1, 4 numbers, 6 flops\n"
        "    weight [1, 3]\n"
        "    bias [1]\n");
}

TEST_CASE("modules: names that are taken are refused") {
  const Module model;
  const Linear first(model, "a", 2, 2);
  CHECK_THROWS_WITH_AS(Linear(model, "a", 2, 2), "[module] 'model' has a part 'a' already; give this one another name",
                       UsageError);
  model.add_parameter("w", {1}, Init::zeros());
  CHECK_THROWS_WITH_AS(model.add_parameter("w", {1}, Init::zeros()), "[parameters] 'w' exists already", UsageError);
}

TEST_CASE("modules: a part keeps its model, and a copy is the same model") {
  std::optional<Linear> layer;
  {
    const Module model;
    layer.emplace(model, "a", 2, 3);
    model.init(RandomKey(1, "module_test"));
  }
  Tape tape;
  const Linear copy = *layer;
  CHECK(copy(tape.constant(Tensor::zeros({4, 2}, DType::f32))).shape() == Shape{4, 3});
  CHECK(copy.parameters().value(0).raw() == layer->parameters().value(0).raw());
}

TEST_CASE("modules: saved and loaded, by any model of the same parts, in float32 and float64") {
  const TemporaryFolder folder;
  const auto path = folder / "sample.safetensors";
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Sample sample;
    sample.init(RandomKey(2, "module_test"), dtype);
    sample.save(path);
    const Sample other;
    other.load(path, dtype);
    for (int i = 0; i < sample.parameters().count(); ++i)
      CHECK(relative_error(other.parameters().value(i), sample.parameters().value(i)) == 0);
    // Into memory that is there, its dtype stays.
    const Sample narrow;
    narrow.init(RandomKey(3, "module_test"));
    narrow.load(path);
    CHECK(narrow.parameters().value(0).dtype() == DType::f32);
    CHECK(relative_error(narrow.parameters().value(0), sample.parameters().value(0).to(DType::f32)) == 0);
  }
  const Module stranger;
  const Linear layer(stranger, "lift", 2, 2);
  stranger.init(RandomKey(4, "module_test"));
  const Tensor before = stranger.parameters().flat_values().clone();
  CHECK_THROWS_AS(stranger.load(path), FormatError);
  CHECK(relative_error(stranger.parameters().flat_values(), before) == 0);
}

TEST_CASE("modules: proofs of all lists, equal ones once, and slow parts by name") {
  const Module model;
  const std::string terms = derive_linear(set, set);
  const LinearLayer one(model, "one", set, set, terms, 1, 2), two(model, "two", set, set, terms, 2, 2);
  const std::string proof = model.proof();
  CHECK(proof.starts_with("one\n"));
  CHECK(proof.ends_with("two: as one\n"));
  CHECK(proof.find(one.list().proof(0)) != std::string::npos);
  const auto slow = model.fallbacks();
  REQUIRE(slow.size() == 2);
  CHECK(slow[1] ==
        "'two' runs operation by operation: there is no schedule for lists with diagonals, heads or shared phis");
  CHECK(Sample().fallbacks().empty());
}
