// Every operation's cases on the device against the CPU.

#include "weft/nn/losses.h"
#include "weft/ops/act.h"
#include "weft/ops/contract.h"
#include "weft/ops/family_cases.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/view.h"
#include "weft/tests/device/device_under_test.h"
#include "weft/tests/op_runner.h"

using namespace weft;
using namespace weft::testing;

namespace {

void run(const std::vector<OpCase>& cases) {
  CHECK(!cases.empty());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const std::string wrong = check_device(cases[i], Key(11, cases[i].name).at(i), device());
    CHECK_MESSAGE(wrong.empty(), wrong);
  }
}

}  // namespace

TEST_CASE("pointwise on the device") { run(pointwise_cases()); }
TEST_CASE("rows on the device") { run(rows_cases()); }
TEST_CASE("contract on the device") { run(contract_cases()); }
TEST_CASE("act on the device") { run(act_cases()); }
TEST_CASE("slice, concat, gather, reshape, patches on the device") { run(view_cases()); }
TEST_CASE("losses on the device") { run(loss_cases()); }
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
