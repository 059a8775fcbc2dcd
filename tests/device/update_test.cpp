#include <limits>

#include "weft/nn/optim.h"
#include "weft/tests/device/device_under_test.h"

using namespace weft;
using namespace weft::testing;

namespace {

template <class T>
void check(UpdateRule::Kind kind, std::int64_t n, int shift, bool bad) {
  const UpdateRule rule{.kind = kind, .weight_decay = 0.01, .momentum = 0.9};
  OnDevice there;
  const Tensor values = normals_of<T>({n}, 1), grads = normals_of<T>({n}, 2);
  const Tensor first = Tensor::zeros({n}, dtype_of<T>), second = first.clone(), flag = Tensor::zeros({1}, DType::i32);
  if (bad) grads.data<T>()[n / 3] = std::numeric_limits<T>::quiet_NaN();
  T *v = there.up<T>(values, shift), *g = there.up<T>(grads), *m = there.up<T>(first), *s = there.up<T>(second, shift);
  int* spoiled = there.up<std::int32_t>(flag);
  const auto& table = there.backend.table<DeviceUpdateKernels>("update");
  const DeviceUpdate<T>& kernels = [&]() -> const DeviceUpdate<T>& {
    if constexpr (sizeof(T) == 4)
      return table.of_float[static_cast<int>(kind)];
    else
      return table.of_double[static_cast<int>(kind)];
  }();
  void* on_device = there.arena.allocate(DeviceUpdate<T>::constants_bytes);
  for (std::int64_t step = 1; step <= 3; ++step) {
    update_range<T>(rule, 0.1, step, n, values.data<T>(), grads.data<T>(), first.data<T>(), second.data<T>());
    char constants[DeviceUpdate<T>::constants_bytes];
    kernels.constants(rule, 0.1, step, constants);
    there.backend.upload(on_device, constants, sizeof constants);
    kernels.run(on_device, n, v, g, m, s, spoiled);
  }
  CHECK(there.down(spoiled, {1}).data<std::int32_t>()[0] == (bad ? 1 : 0));
  if (bad) return;
  CHECK(same_bits(there.down(v, {n}), values));
  CHECK(same_bits(there.down(m, {n}), first));
  CHECK(same_bits(there.down(s, {n}), second));
}

}  // namespace

TEST_CASE("three steps of every optimiser on the device are the CPU's, bit for bit") {
  for (int kind = 0; kind < static_cast<int>(UpdateRule::Kind::count); ++kind)
    for (std::int64_t n : {std::int64_t{1}, std::int64_t{1003}, many(3000000)})
      for (int shift : {0, 1})
        for (bool bad : {false, true}) {
          CAPTURE(kind);
          check<float>(static_cast<UpdateRule::Kind>(kind), n, shift, bad);
          check<double>(static_cast<UpdateRule::Kind>(kind), n, shift, bad);
        }
}
