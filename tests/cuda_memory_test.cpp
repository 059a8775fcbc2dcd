// What the CUDA backend decides on the host: the arena's chunks, how a BLAS reads an operand, the texts of failures.

#include <map>
#include <vector>

#include <doctest/doctest.h>

#include "weft/core/arena.h"
#include "weft/core/device.h"
#include "weft/core/gemm.h"
#include "weft/core/random.h"
#include "weft/cuda/errors.h"
#include "weft/cuda/gemm_plan.h"

using namespace weft;

namespace {

/// Hands out addresses of a device that has `size` bytes; none of them is memory.
class CountedMemory : public MemorySource {
 public:
  explicit CountedMemory(std::size_t size_) : size(size_) {}
  void* allocate(std::size_t bytes) override {
    if (used + bytes > size) throw OutOfDeviceMemory({Device::Kind::cuda, 0}, bytes, {used, size - used, size});
    const std::uintptr_t at = next;
    next += bytes + 4096;
    used += bytes;
    ++calls;
    blocks[at] = bytes;
    return reinterpret_cast<void*>(at);
  }
  void release(void* p, std::size_t bytes) noexcept override {
    const auto block = blocks.find(reinterpret_cast<std::uintptr_t>(p));
    wrong += block == blocks.end() || block->second != bytes;
    if (block != blocks.end()) blocks.erase(block);
    used -= bytes;
  }
  std::size_t alignment() const override { return unit; }
  std::size_t smallest_chunk() const override { return std::size_t{32} << 20; }
  Backend* backend() const override { return nullptr; }

  static constexpr std::size_t unit = 256;
  std::size_t size, used = 0, wrong = 0;
  int calls = 0;

 private:
  std::uintptr_t next = 0x100000;
  std::map<std::uintptr_t, std::size_t> blocks;
};

constexpr std::size_t mib = std::size_t{1} << 20, chunk = 32 * mib;

}  // namespace

TEST_CASE("arena of a device: the second step allocates nothing and sees the same addresses") {
  CountedMemory memory(64 * chunk);
  {
    Arena arena(memory);
    std::vector<void*> before;
    for (int step = 0; step < 3; ++step) {
      std::vector<void*> now;
      for (std::size_t bytes : {std::size_t{1}, 20 * mib, 30 * mib, std::size_t{257}, 90 * mib})
        now.push_back(arena.allocate(bytes));
      for (void* p : now) CHECK(reinterpret_cast<std::uintptr_t>(p) % CountedMemory::unit == 0);
      if (step > 0) CHECK(now == before);
      before = now;
      CHECK(arena.used() == 256 + 140 * mib + 512);
      arena.reset();
      CHECK(arena.used() == 0);
    }
    CHECK(arena.peak() == 256 + 140 * mib + 512);
    CHECK(memory.calls == 3);  // 32, 64 and 128 MiB
    CHECK(arena.reserved() == 224 * mib);
    CHECK(arena.reserved() == memory.used);
  }
  CHECK(memory.used == 0);
  CHECK(memory.wrong == 0);
}

TEST_CASE("arena of a device: scratch is given back, and what lies under it stays") {
  CountedMemory memory(64 * chunk);
  Arena arena(memory);
  arena.allocate(1000);
  const Arena::Mark mark = arena.mark();
  void* first = arena.allocate(40 * mib);
  const std::size_t used = arena.used();
  arena.rewind(mark);
  CHECK(arena.used() == 1024);
  CHECK(arena.allocate(40 * mib) == first);
  CHECK(arena.used() == used);
  CHECK(arena.peak() == used);
}

TEST_CASE("arena of a device: a nearly full device gives what is left, and a full one leaves the arena as it was") {
  CountedMemory memory(2 * chunk + chunk / 4 * 3);
  Arena arena(memory);
  arena.allocate(chunk);
  void* rest = arena.allocate(chunk + chunk / 2);  // a doubled chunk would not fit, this does
  CHECK(arena.reserved() == 2 * chunk + chunk / 2);
  const std::size_t used = arena.used();
  CHECK_THROWS_AS(arena.allocate(chunk), OutOfDeviceMemory);
  CHECK(arena.used() == used);
  CHECK(arena.allocate(chunk / 4) != rest);
  arena.reset();
  arena.allocate(chunk);
  CHECK(arena.allocate(chunk + chunk / 2) == rest);
}

namespace {

/// C = op(A) op(B) + beta C in columns: what cuBLAS promises.
void blas(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, const double* a, std::int64_t lda,
          const double* b, std::int64_t ldb, double* c, std::int64_t ldc) {
  REQUIRE(lda >= (ta ? k : m));
  REQUIRE(ldb >= (tb ? n : k));
  REQUIRE(ldc >= m);
  for (std::int64_t j = 0; j < n; ++j)
    for (std::int64_t i = 0; i < m; ++i) {
      double sum = 0;
      for (std::int64_t l = 0; l < k; ++l)
        sum += (ta ? a[l + i * lda] : a[i + l * lda]) * (tb ? b[j + l * ldb] : b[l + j * ldb]);
      c[i + j * ldc] = sum;
    }
}

struct Strides {
  std::int64_t row, column;
};

/// The operand as cuda::gemm prepares it.
struct Prepared {
  cuda::BlasOperand plan;
  std::vector<double> packed;
  const double* data;

  Prepared(std::int64_t rows, std::int64_t columns, Strides s, const double* p)
      : plan(cuda::plan_operand(rows, columns, 0, s.row, s.column)), data(p) {
    if (!plan.packed) return;
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j) packed.push_back(p[i * s.row + j * s.column]);
    data = packed.data();
  }
};

}  // namespace

TEST_CASE("every stride becomes what a BLAS can name, or a copy") {
  std::vector<double> numbers(4000);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = normal(RandomKey(3, "cuda gemm plan"), i);
  int packed = 0, direct = 0;
  for (std::int64_t m : {1, 2, 5})
    for (std::int64_t n : {1, 3, 4})
      for (std::int64_t k : {1, 2, 7}) {
        const auto layouts = [](std::int64_t rows, std::int64_t columns) {
          return std::vector<Strides>{{columns, 1},     {columns + 3, 1}, {1, rows},    {1, rows + 2},
                                      {2 * columns, 2}, {0, 1},           {1, 0},       {0, 0},
                                      {1, 1},           {-columns, 1},    {3, 3 * rows}};
        };
        for (const Strides sa : layouts(m, k))
          for (const Strides sb : layouts(k, n)) {
            const double *a = numbers.data() + 1000, *b = numbers.data() + 3000;
            std::vector<double> expected(static_cast<std::size_t>(m * n)), got = expected;
            gemm<double>({1, m, n, k}, {a, 0, sa.row, sa.column}, {b, 0, sb.row, sb.column}, 0, expected.data(), m * n,
                         n);
            const Prepared pa(m, k, sa, a), pb(k, n, sb, b);
            blas(pb.plan.transposed, pa.plan.transposed, n, m, k, pb.data, pb.plan.leading, pa.data, pa.plan.leading,
                 got.data(), n);
            for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(expected[i]).epsilon(1e-12));
            ++(pa.plan.packed ? packed : direct);
          }
      }
  CHECK(packed > 100);
  CHECK(direct > packed);
}

TEST_CASE("plain, transposed and padded operands are not copied") {
  using cuda::BlasOperand;
  CHECK(cuda::plan_operand(4, 6, 24, 6, 1) == BlasOperand{false, 6, 24, false});
  CHECK(cuda::plan_operand(4, 6, 40, 10, 1) == BlasOperand{false, 10, 40, false});
  CHECK(cuda::plan_operand(4, 6, 0, 1, 4) == BlasOperand{true, 4, 0, false});
  CHECK(cuda::plan_operand(4, 6, 24, 12, 2) == BlasOperand{false, 6, 24, true});
  CHECK(cuda::plan_operand(4, 6, 0, 12, 2) == BlasOperand{false, 6, 0, true});  // once for the whole batch
  CHECK(cuda::plan_operand(4, 6, 24, 5, 1).packed);                             // rows that overlap
}

TEST_CASE("what a library may do as it writes a product is all that follows it, or nothing") {
  using cuda::FusedEnd;
  alignas(16) static const float numbers[8] = {};
  int fused = 0;
  for (int op = -1; op < static_cast<int>(UnaryOp::count); ++op)
    for (const bool bias : {false, true})
      for (const bool per_row : {false, true})
        for (const std::int64_t stride : {0, 4, 6, 7})
          for (const int shift : {0, 1, 2}) {
            const auto activation = op < 0 ? std::optional<UnaryOp>() : static_cast<UnaryOp>(op);
            const FusedEnd end = cuda::plan_end({bias ? numbers + shift : nullptr, per_row, stride, activation});
            const bool relu = activation == UnaryOp::Relu,
                       readable = !bias || (!per_row && stride % 4 == 0 && shift == 0);
            CHECK((end != FusedEnd::none) == ((relu || !activation) && readable && (bias || relu)));
            if (end == FusedEnd::none) continue;
            ++fused;
            CHECK((end == FusedEnd::bias || end == FusedEnd::relu_bias) == bias);
            CHECK((end == FusedEnd::relu || end == FusedEnd::relu_bias) == relu);
          }
  // Two strides, with ReLU and without; ReLU alone, where bias and strides say nothing.
  CHECK(fused == 2 * 2 + 2 * 4 * 3);
}

TEST_CASE("what failed on the device, word for word") {
  CHECK(std::string(
            cuda::launch_failed("tanh", "cudaErrorInvalidConfiguration", "invalid configuration argument").what()) ==
        "[tanh] the CUDA kernel did not start: cudaErrorInvalidConfiguration (invalid configuration argument)");
  CHECK(std::string(cuda::run_failed("download", "cudaErrorIllegalAddress", "an illegal memory access").what()) ==
        "[download] an earlier CUDA kernel failed: cudaErrorIllegalAddress (an illegal memory access); run with "
        "CUDA_LAUNCH_BLOCKING=1 to learn which");
  CHECK(std::string(cuda::call_failed("memory", "cudaErrorInvalidValue", "invalid argument").what()) ==
        "[memory] CUDA said cudaErrorInvalidValue (invalid argument)");
  CHECK(std::string(
            cuda::library_missing("gemm", "libcublas.so.13", "not found", "products on a GPU need cuBLAS").what()) ==
        "[gemm] libcublas.so.13 cannot be opened: not found; products on a GPU need cuBLAS: install it or add it to "
        "LD_LIBRARY_PATH");
}
