#include <limits>

#include "weft/cuda/kernels.h"
#include "weft/nn/optim.h"
#include "weft/tests/cuda_device/gpu.h"

using namespace weft;
using namespace weft::testing;

namespace {

template <class T>
void check(UpdateRule::Kind kind, std::int64_t n, int shift, bool bad) {
  const UpdateRule rule{.kind = kind, .weight_decay = 0.01, .momentum = 0.9};
  Gpu gpu;
  const Tensor values = normals_of<T>({n}, 1), grads = normals_of<T>({n}, 2);
  const Tensor first = Tensor::zeros({n}, dtype_of<T>), second = first.clone(), flag = Tensor::zeros({1}, DType::i32);
  if (bad) grads.data<T>()[n / 3] = std::numeric_limits<T>::quiet_NaN();
  T *v = gpu.up<T>(values, shift), *g = gpu.up<T>(grads), *m = gpu.up<T>(first), *s = gpu.up<T>(second, shift);
  int* spoiled = gpu.up<std::int32_t>(flag);
  for (std::int64_t step = 1; step <= 3; ++step) {
    update_range<T>(rule, 0.1, step, n, values.data<T>(), grads.data<T>(), first.data<T>(), second.data<T>());
    cuda::update<T>(rule, 0.1, step, n, v, g, m, s, spoiled);
  }
  CHECK(gpu.down(spoiled, {1}).data<std::int32_t>()[0] == (bad ? 1 : 0));
  if (bad) return;
  CHECK(same_bits(gpu.down(v, {n}), values));
  CHECK(same_bits(gpu.down(m, {n}), first));
  CHECK(same_bits(gpu.down(s, {n}), second));
}

}  // namespace

TEST_CASE("three steps of every optimiser on the device are the CPU's, bit for bit") {
  for (int kind = 0; kind < static_cast<int>(UpdateRule::Kind::count); ++kind)
    for (std::int64_t n : {1, 1003, 3000000})
      for (int shift : {0, 1})
        for (bool bad : {false, true}) {
          CAPTURE(kind);
          check<float>(static_cast<UpdateRule::Kind>(kind), n, shift, bad);
          check<double>(static_cast<UpdateRule::Kind>(kind), n, shift, bad);
        }
}
