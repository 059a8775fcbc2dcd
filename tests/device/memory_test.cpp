#include "weft/tests/device/device_under_test.h"

using namespace weft;
using namespace weft::testing;

TEST_CASE("bytes go there and back, more than the staging holds too") {
  OnDevice there;
  for (std::int64_t n :
       {std::int64_t{0}, std::int64_t{1}, many(std::int64_t{1} << 20), many((std::int64_t{5} << 20) + 3)}) {
    const Tensor x = normals_of<float>({n}, 1);
    float* p = there.up<float>(x);
    float* q = there.arena.allocate_array<float>(static_cast<std::size_t>(n));
    x.fill(0);  // may be changed at once
    there.view(q, n).copy_from(there.view(p, n));
    CHECK(same_bits(there.down(q, {n}), normals_of<float>({n}, 1)));
  }
}

TEST_CASE("a step's memory is the same at every step, and a full device says so and goes on") {
  OnDevice there;
  void* before = nullptr;
  for (int step = 0; step < 3; ++step) {
    there.arena.allocate(100);
    void* p = there.arena.allocate(std::size_t{100} << 20);
    CHECK((step == 0 || p == before));
    before = p;
    there.arena.reset();
  }
  const std::size_t reserved = there.arena.reserved();
  CHECK_THROWS_AS(there.arena.allocate(std::size_t{1} << 50), OutOfDeviceMemory);
  CHECK(there.arena.reserved() == reserved);
  CHECK(there.arena.allocate(100) != nullptr);
  CHECK_NOTHROW(there.backend.synchronise());
}

TEST_CASE("fills, conversions and copies between strides are the tensor's") {
  OnDevice there;
  const DType all[] = {DType::f32, DType::f64, DType::i32, DType::u8};
  for (DType from : all)
    for (DType to : all)
      for (std::int64_t n : {std::int64_t{1}, std::int64_t{7}, many(100003)})
        for (std::int64_t shift : {0, 1}) {
          const Tensor x = Tensor::zeros({n + shift}, DType::i32);
          for (std::int64_t i = 0; i < n + shift; ++i) x.data<std::int32_t>()[i] = static_cast<std::int32_t>(i % 200);
          const Tensor source = x.to(from).slice(shift, n + shift), expected = source.to(to);
          const auto place = [&](DType dtype, std::int64_t skip) {
            auto* p = there.arena.allocate_array<std::byte>(static_cast<std::size_t>(n + 1) * size_of(dtype));
            return p + static_cast<std::size_t>(skip) * size_of(dtype);
          };
          std::byte *px = place(from, shift), *py = place(to, 0);
          there.backend.upload(px, source.raw(), source.bytes());
          const auto view = [&](void* p, DType dtype) { return Tensor::view_of(p, {n}, dtype, {}, &there.backend); };
          view(py, to).copy_from(view(px, from));
          const Tensor got = Tensor::zeros({n}, to);
          there.backend.download(got.raw(), py, got.bytes());
          CHECK(same_bits(got, expected));
          view(py, to).fill(7);
          there.backend.download(got.raw(), py, got.bytes());
          expected.fill(7);
          CHECK(same_bits(got, expected));
          there.arena.reset();
        }
  // A transposition of the last two axes.
  const Tensor x = normals_of<double>({6, 50, 70}, 1), expected = Tensor::zeros({6, 70, 50}, DType::f64);
  for (std::int64_t b = 0; b < 6; ++b)
    for (std::int64_t i = 0; i < 50; ++i)
      for (std::int64_t j = 0; j < 70; ++j)
        expected.data<double>()[(b * 70 + j) * 50 + i] = x.data<double>()[(b * 50 + i) * 70 + j];
  double *p = there.up<double>(x), *q = there.arena.allocate_array<double>(6 * 50 * 70);
  there.backend.table<MoveKernels>("copy").copy_strided[static_cast<int>(DType::f64)](
      q, p, {3, {6, 70, 50}, {3500, 50, 1}, {3500, 1, 70}});
  CHECK(same_bits(there.down(q, {6, 70, 50}), expected));
}
