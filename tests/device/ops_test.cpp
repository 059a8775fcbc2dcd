// Every operation's cases on the device against the CPU.

#include "weft/nfn/graph/edge_cases.h"
#include "weft/nn/loss_cases.h"
#include "weft/nn/losses.h"
#include "weft/ops/act.h"
#include "weft/ops/cases.h"
#include "weft/ops/contract.h"
#include "weft/ops/family_cases.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/view.h"
#include "weft/tests/contract_fuzz.h"
#include "weft/tests/device/device_under_test.h"
#include "weft/tests/op_runner.h"

using namespace weft;
using namespace weft::testing;

namespace {

void run(const std::vector<OpCase>& cases) {
  CHECK(!cases.empty());
  const auto check = [](const OpCase& c, RandomKey key) { return check_device(c, key, device()); };
  for (const std::string& wrong : failures(cases, 11, check)) FAIL_CHECK(wrong);
}

}  // namespace

TEST_CASE("pointwise on the device") { run(pointwise_cases()); }
TEST_CASE("rows on the device") { run(rows_cases()); }
TEST_CASE("contract on the device") { run(contract_cases()); }
TEST_CASE("act on the device") { run(act_cases()); }
TEST_CASE("slice, concat, gather, reshape, patches on the device") { run(view_cases()); }
TEST_CASE("losses on the device") { run(loss_cases()); }
TEST_CASE("edges of graph networks on the device") { run(edge_cases()); }
TEST_CASE("random contractions on the device") {
  for (std::uint64_t i = 0; i < 300; ++i)
    for (const bool large : {false, true})
      if (!large || i < 20) {
        const std::string wrong = check_contraction(RandomKey(13, large ? "large" : "small").at(i), large, &device());
        CHECK_MESSAGE(wrong.empty(), wrong);
      }
}
TEST_CASE("contractions of every way on the device") {
  std::vector<OpCase> cases;
  const auto add = [&](std::string text, std::vector<Shape> shapes) {
    OpCase c;
    c.name = "contract " + text;
    c.shapes = std::move(shapes);
    c.run = [text](Tape&, std::span<const Var> x) { return contract(text, x[0], x[1]); };
    cases.push_back(c);
  };
  // Sums by a thread, a warp and a block, along the memory and across it, few and many of them.
  for (const std::int64_t n : {5, 80, 5000}) add("bi,b->b", {{3, n}, {3}});
  for (const std::int64_t n : {5, 80, 5000}) add("ib,b->b", {{n, 3}, {3}});
  add("ibj,b->b", {{9, 20000, 4}, {20000}});
  add("bij,cji->bc", {{3, 7, 11}, {2, 11, 7}});                  // a product that no layout fits
  add("ikjl,jmlk->im", {{16, 16, 16, 16}, {16, 16, 16, 16}});    // one that is worth packing
  add("abij,abjk->aibk", {{2, 2, 160, 160}, {2, 2, 160, 160}});  // several products
  add("abij,abjk->aibk", {{2, 3, 8, 9}, {2, 3, 9, 8}});          // too small for that
  run(cases);
}

TEST_CASE("channel dropout draws the CPU's channels on the device, and differentiates") {
  OpCase c;
  c.name = "channel_dropout";
  c.shapes = {{7, 9, 2, 3}};
  c.run = [](Tape&, std::span<const Var> x) { return channel_dropout(x[0], 0.3, RandomKey(5, "dropout")); };
  run({c});
}

TEST_CASE("an element acts on the device as on the CPU, without a tape too") {
  const Space space =
      Space::parse("h: permutation(3); q: GL(2) per h; m: positive_monomial(4) Q[h, m, q] K[q*, h, m*]");
  const Element g = Element::random(space, RandomKey(6, "act"));
  for (int t = 0; t < 2; ++t) {
    const Tensor x = normals_of<float>(space.feature_shape(t, 2, 3), 7);
    CHECK(same_bits(act(g, t, x.on(&device())).on(nullptr), act(g, t, x)));
  }
}

TEST_CASE("indices and targets lie beside what they are for, and a bad one shows as NaN") {
  Arena memory(device().memory());
  Tape tape(memory);
  const std::int32_t bad[] = {1, -1, 3, 0};
  const Tensor index = Tensor::from<std::int32_t>(bad, {4}), there = index.on(&device());
  const Tensor values = normals_of<double>({4, 3}, 8);
  const Var x = tape.leaf(values.on(&device()));
  const auto message = [](const char* who, const char* name) {
    return std::string("[") + who + "] tensor '" + name +
           "' lies on cpu, this step runs on cuda:0; give a copy: Tensor::on()";
  };
  CHECK_THROWS_WITH_AS(gather(x, 1, index), message("gather", "index").c_str(), DeviceError);
  CHECK_THROWS_WITH_AS(cross_entropy(x, index), message("cross_entropy", "label").c_str(), DeviceError);
  CHECK_THROWS_WITH_AS(squared_error(x, values), message("squared_error", "target").c_str(), DeviceError);
  const Var picked = gather(x, 1, there), loss = cross_entropy(x, there);
  const Tensor ones = Tensor::zeros({4}, DType::f64), none = Tensor::zeros({4, 4}, DType::f64);
  ones.fill(1);
  const Var outputs[] = {picked, loss};
  const Tensor cotangents[] = {none, ones};
  tape.backward(outputs, cotangents);
  const Tensor p = picked.value().on(nullptr), y = loss.value().on(nullptr), g = tape.grad(x).value().on(nullptr);
  for (std::int64_t r = 0; r < 4; ++r) {
    const bool fits = bad[r] >= 0 && bad[r] < 3;
    CHECK(std::isnan(y.data<double>()[r]) == !fits);
    for (std::int64_t i = 0; i < 4; ++i) CHECK(std::isnan(p.data<double>()[r * 4 + i]) == !(bad[i] >= 0 && bad[i] < 3));
    for (std::int64_t c = 0; c < 3; ++c) CHECK(std::isnan(g.data<double>()[r * 3 + c]) == !fits);
  }
}

TEST_CASE("whole numbers are gathered on the device, and a bad index shows as -1") {
  const std::int32_t values[] = {7, -3, 1 << 30, 0, 5, 2}, index[] = {2, 0, 3, -1};
  Arena memory(device().memory());
  Tape tape(memory);
  const Tensor x = Tensor::from<std::int32_t>(values, {3, 2}).on(&device()),
               at = Tensor::from<std::int32_t>(index, {4}).on(&device());
  const Tensor got = gathered(tape, x, at).on(nullptr);
  CHECK(std::ranges::equal(got.span<std::int32_t>(), std::vector<std::int32_t>{5, 2, 7, -3, -1, -1, -1, -1}));
}

TEST_CASE("a result of the device is not read on the CPU") {
  Arena memory(device().memory());
  Tape tape(memory);
  const Tensor x = normals_of<float>({3}, 1);
  CHECK_THROWS_WITH_AS(tape.constant(x, Type::plain(1), "x"),
                       "[tape] tensor 'x' lies on cpu, this step runs on cuda:0; give a copy: Tensor::on()",
                       DeviceError);
  const Var y = tanh(tape.constant(x.on(&device())));
  CHECK_THROWS_WITH_AS(y.value().data<float>(),
                       "[tensor] a tensor of shape [3] on cuda:0 was read on the CPU; allowed: a copy, on(nullptr)",
                       DeviceError);
}
