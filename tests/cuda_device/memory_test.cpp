#include "weft/cuda/kernels.h"
#include "weft/tests/cuda_device/gpu.h"

using namespace weft;
using namespace weft::testing;

TEST_CASE("bytes go there and back, more than the staging holds too") {
  Gpu gpu;
  for (std::int64_t n : {std::int64_t{0}, std::int64_t{1}, std::int64_t{1} << 20, (std::int64_t{5} << 20) + 3}) {
    const Tensor x = normals_of<float>({n}, 1);
    float* p = gpu.up<float>(x);
    float* q = gpu.arena.allocate_array<float>(static_cast<std::size_t>(n));
    x.fill(0);  // may be changed at once
    if (n > 0) cuda::copy(q, p, x.bytes());
    CHECK(same_bits(gpu.down(q, {n}), normals_of<float>({n}, 1)));
  }
}

TEST_CASE("a step's memory is the same at every step, and a full device says so and goes on") {
  Gpu gpu;
  void* before = nullptr;
  for (int step = 0; step < 3; ++step) {
    gpu.arena.allocate(100);
    void* p = gpu.arena.allocate(std::size_t{100} << 20);
    CHECK((step == 0 || p == before));
    before = p;
    gpu.arena.reset();
  }
  const std::size_t reserved = gpu.arena.reserved();
  CHECK(gpu.memory.state().used == reserved);
  CHECK_THROWS_AS(gpu.arena.allocate(std::size_t{1} << 50), OutOfDeviceMemory);
  CHECK(gpu.arena.reserved() == reserved);
  CHECK(gpu.arena.allocate(100) != nullptr);
  CHECK_NOTHROW(gpu.stream.synchronise());
}

TEST_CASE("fills, conversions and copies between strides are the tensor's") {
  Gpu gpu;
  const DType all[] = {DType::f32, DType::f64, DType::i32, DType::u8};
  for (DType from : all)
    for (DType to : all)
      for (std::int64_t n : {1, 7, 100003})
        for (std::int64_t shift : {0, 1}) {
          const Tensor x = Tensor::zeros({n + shift}, DType::i32);
          for (std::int64_t i = 0; i < n + shift; ++i) x.data<std::int32_t>()[i] = static_cast<std::int32_t>(i % 200);
          const Tensor source = x.to(from).slice(shift, n + shift), expected = source.to(to);
          const auto place = [&](DType dtype, std::int64_t skip) {
            auto* p = gpu.arena.allocate_array<std::byte>(static_cast<std::size_t>(n + 1) * size_of(dtype));
            return p + static_cast<std::size_t>(skip) * size_of(dtype);
          };
          std::byte *px = place(from, shift), *py = place(to, 0);
          gpu.staging.upload(px, source.raw(), source.bytes());
          cuda::convert(py, to, px, from, n);
          const Tensor got = Tensor::zeros({n}, to);
          gpu.staging.download(got.raw(), py, got.bytes());
          CHECK(same_bits(got, expected));
          cuda::fill(py, to, n, 7);
          gpu.staging.download(got.raw(), py, got.bytes());
          expected.fill(7);
          CHECK(same_bits(got, expected));
          gpu.arena.reset();
        }
  // A transposition of the last two axes.
  const Tensor x = normals_of<double>({6, 50, 70}, 1), expected = Tensor::zeros({6, 70, 50}, DType::f64);
  for (std::int64_t b = 0; b < 6; ++b)
    for (std::int64_t i = 0; i < 50; ++i)
      for (std::int64_t j = 0; j < 70; ++j)
        expected.data<double>()[(b * 70 + j) * 50 + i] = x.data<double>()[(b * 50 + i) * 70 + j];
  double *p = gpu.up<double>(x), *q = gpu.arena.allocate_array<double>(6 * 50 * 70);
  cuda::copy_strided(q, p, DType::f64, {3, {6, 70, 50}, {3500, 50, 1}, {3500, 1, 70}});
  CHECK(same_bits(gpu.down(q, {6, 70, 50}), expected));
}
