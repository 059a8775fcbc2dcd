// Compiled with the kernels' sources as C++ (WEFT_ISA=emulated).

#include "weft/tests/device/emulated_device.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "weft/cuda/device_backend.h"
#include "weft/cuda/emulated.h"

namespace weft {
namespace {

/// Ranks that are threads share what follows: one after the other.
std::recursive_mutex mutex;
std::map<void*, std::size_t> blocks;
int unlocked = 0;

/// Neighbours go together: the system's call takes most of the time of an emulated launch.
void protect(int protection) {
  for (auto block = blocks.begin(); block != blocks.end();) {
    auto* begin = static_cast<std::byte*>(block->first);
    std::byte* end = begin;
    for (; block != blocks.end() && block->first == end; ++block) end += block->second;
    if (mprotect(begin, static_cast<std::size_t>(end - begin), protection) != 0)
      throw DeviceError("[emulated] mprotect: {}", std::strerror(errno));
  }
}

std::size_t whole_pages(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

class LockedMemory final : public MemorySource {
 public:
  LockedMemory(Backend& backend, std::size_t room) : backend_(backend), room_(room) {}
  void* allocate(std::size_t bytes) override {
    backend_.refuse_in_recording("new memory");
    bytes = whole_pages(bytes);
    if (bytes > room_ - used_) throw OutOfDeviceMemory(backend_.device(), bytes, {used_, room_ - used_, room_});
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw OutOfDeviceMemory(backend_.device(), bytes, {});
    std::memset(p, 0xFF, bytes);  // NaN: a device's memory holds anything
    const std::lock_guard lock(mutex);
    blocks[p] = bytes;
    used_ += bytes;
    if (unlocked == 0) protect(PROT_NONE);
    return p;
  }
  void release(void* p, std::size_t bytes) noexcept override {
    const std::lock_guard lock(mutex);
    blocks.erase(p);
    munmap(p, whole_pages(bytes));
    used_ -= whole_pages(bytes);
  }
  std::size_t alignment() const override { return 256; }
  std::size_t smallest_chunk() const override { return std::size_t{1} << 20; }
  Backend* backend() const override { return &backend_; }

 private:
  Backend& backend_;
  std::size_t room_, used_ = 0;
};

}  // namespace

namespace cuda::inline WEFT_ISA {

namespace {

using Launches = std::vector<std::function<void()>>;
/// Where launches go while the device records; else null.
thread_local Launches* recorded = nullptr;

/// While it lives, the host may touch the emulated device's memory.
struct Unlocked {
  Unlocked() {
    if (unlocked++ == 0) protect(PROT_READ | PROT_WRITE);
  }
  ~Unlocked() {
    if (--unlocked == 0) protect(PROT_NONE);
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  const std::lock_guard<std::recursive_mutex> lock_{mutex};
};

class EmulatedRecording final : public Recording {
 public:
  void replay() override {
    for (const auto& launch : launches) enqueue(launch);
  }
  Launches launches;
};

/// x with so many bits of its significand, to nearest, ties to even.
float rounded(float x, int bits) {
  if (!std::isfinite(x)) return x;
  const auto word = std::bit_cast<std::uint32_t>(x);
  const int dropped = 24 - bits;
  const std::uint32_t half_below = (1u << dropped >> 1) - 1 + ((word >> dropped) & 1);
  return std::bit_cast<float>((word + half_below) >> dropped << dropped);
}

/// How a factor of a float32 product is read.
struct Factor {
  ProductPrecision precision = ProductPrecision::full;
  double operator()(double x) const { return x; }
  float operator()(float x) const {
    if (precision == ProductPrecision::full) return x;
    return rounded(x, precision == ProductPrecision::tf32 ? 11 : 8);
  }
};

/// C = op(A) op(B) + beta C in columns: what cuBLAS promises. Sums are of the factors' type.
template <class T>
void product(const BlasProduct& p, Factor factor) {
  const auto *a = static_cast<const T*>(p.a), *b = static_cast<const T*>(p.b);
  auto* c = static_cast<T*>(p.c);
  for (std::int64_t item = 0; item < p.batch; ++item, a += p.stride_a, b += p.stride_b, c += p.stride_c)
    for (std::int64_t j = 0; j < p.n; ++j)
      for (std::int64_t i = 0; i < p.m; ++i) {
        T sum = 0;
        for (std::int64_t l = 0; l < p.k; ++l)
          sum += factor(p.transpose_a ? a[l + i * p.lda] : a[i + l * p.lda]) *
                 factor(p.transpose_b ? b[j + l * p.ldb] : b[l + j * p.ldb]);
        T& to = c[i + j * p.ldc];
        to = sum + (p.accumulate ? to : T(0));
      }
}

/// What cuBLASLt promises of its epilogues.
void finish(const BlasProduct& p, const FusedEpilogue& epilogue) {
  const bool relu = epilogue.end == FusedEnd::relu || epilogue.end == FusedEnd::relu_bias;
  for (std::int64_t item = 0; item < p.batch; ++item)
    for (std::int64_t j = 0; j < p.n; ++j)
      for (std::int64_t i = 0; i < p.m; ++i) {
        float& c = static_cast<float*>(p.c)[item * p.stride_c + j * p.ldc + i];
        if (epilogue.bias) c += epilogue.bias[item * epilogue.bias_stride + i];
        if (relu && c < 0) c = 0;
      }
}

class EmulatedDevice final : public DeviceBackend {
 public:
  EmulatedDevice(std::size_t room, bool records) : records_(records), memory_(*this, room) {}
  Device device() const override { return {Device::Kind::cuda, 0}; }
  MemorySource& memory() override { return memory_; }
  void upload(void* to, const void* from, std::size_t bytes) override {
    refuse_in_recording("an upload");
    copy(to, from, bytes);
  }
  void download(void* to, const void* from, std::size_t bytes) override {
    refuse_in_recording("a download");
    copy(to, from, bytes);
  }
  void synchronise() override { refuse_in_recording("waiting"); }
  bool fused_product(const BlasProduct& p, const FusedEpilogue& epilogue) override {
    if (p.m % 2 == 1) return false;  // so that the tests see what happens then
    require(p);
    enqueue([p, epilogue, factor = Factor{precision}] {
      product<float>(p, factor);
      finish(p, epilogue);
    });
    return true;
  }
  void blas_product(const BlasProduct& p, bool is_double) override {
    require(p);
    enqueue([p, is_double, factor = Factor{precision}] {
      is_double ? product<double>(p, factor) : product<float>(p, factor);
    });
  }

 private:
  static void require(const BlasProduct& p) {
    if (p.lda < (p.transpose_a ? p.k : p.m) || p.ldb < (p.transpose_b ? p.n : p.k) || p.ldc < p.m)
      throw UsageError("[emulated] a leading dimension that cuBLAS refuses");
  }
  static void copy(void* to, const void* from, std::size_t bytes) {
    const Unlocked open;
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  void make_current() override {}
  void begin_recording() override {
    if (!records_) throw DeviceError("[record] this device cannot record");
    recording_ = std::make_unique<EmulatedRecording>();
    recorded = &recording_->launches;
  }
  std::unique_ptr<Recording> end_recording() override {
    recorded = nullptr;
    return std::move(recording_);
  }

  bool records_;
  std::unique_ptr<EmulatedRecording> recording_;
  LockedMemory memory_;
};

}  // namespace

void enqueue(std::function<void()> launch) {
  if (recorded) return recorded->push_back(std::move(launch));
  const Unlocked open;
  launch();
}

}  // namespace cuda::inline WEFT_ISA

namespace testing {

std::shared_ptr<Backend> make_emulated_device(std::size_t room, bool records) {
  return std::make_shared<cuda::EmulatedDevice>(room, records);
}

}  // namespace testing
}  // namespace weft
