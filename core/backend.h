#pragma once
// What a device other than the CPU is to the rest of weft: memory, copies, and tables of kernels. Each family of
// kernels declares the type of its table where its CPU kernels stand; whoever provides a device fills one of each.
// Nobody left of cuda/ knows how a device works.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <typeindex>
#include <unordered_map>

#include "weft/core/device.h"
#include "weft/core/dtype.h"
#include "weft/core/memory.h"

namespace weft {

/// How exactly a device computes float32 products; their sums are float32 always.
enum class ProductPrecision : std::uint8_t {
  full,  ///< float32 throughout
  tf32,  ///< factors rounded to 11 bits: tensor cores
  bf16,  ///< factors rounded to 8 bits
};
inline constexpr const char* precision_names[] = {"full", "tf32", "bf16"};
inline const char* name(ProductPrecision precision) { return precision_names[static_cast<int>(precision)]; }

/// Work of a device that is enqueued again as a whole. Its backend and all memory that its kernels use outlive it.
class Recording {
 public:
  virtual ~Recording() = default;
  /// The same launches on the same addresses, whatever the memory holds now.
  virtual void replay() = 0;
};

class DeviceLink;
class Ranks;

/// One device. All work is enqueued in one order; nothing waits but download() and synchronise().
class Backend {
 public:
  virtual ~Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  virtual Device device() const = 0;
  virtual MemorySource& memory() = 0;
  /// `from` may be changed once it returns.
  virtual void upload(void* to, const void* from, std::size_t bytes) = 0;
  /// Waits. Throws DeviceError when earlier work failed.
  virtual void download(void* to, const void* from, std::size_t bytes) = 0;
  virtual void synchronise() = 0;
  /// The way from here to the devices of the job's other ranks, which all call it. By way of the CPU's memory where a
  /// device knows no other (core/device_link.h). This and the job outlive it.
  virtual std::unique_ptr<DeviceLink> link(Ranks& job);

  /// The kernels of one family, whose launches go to this device until another one is asked for a table: ask before
  /// each launch. Throws DeviceError, naming `who`, when this build has none.
  template <class Table>
  const Table& table(const char* who) {
    make_current();
    const auto found = tables_.find(std::type_index(typeid(Table)));
    if (found == tables_.end()) lacks(who);
    return *static_cast<const Table*>(found->second);
  }

  /// Calls `work`, whose launches are recorded and do not run. Throws DeviceError when it asks for what a recording
  /// cannot hold: bytes from or to the host, waiting, new memory, another recording. What `work` throws is passed on.
  /// The device is then as before.
  std::unique_ptr<Recording> record(const std::function<void()>& work);
  bool recording() const { return recording_; }
  /// Of the recording that runs, counted from 1; 0 while none does.
  std::uint64_t recording_number() const { return recording_ ? recordings_ : 0; }
  /// Throws DeviceError when `what` is asked for while record() runs.
  void refuse_in_recording(const char* what) const;

  /// Of all products of float32 from now on; a step that was recorded keeps the one of then.
  ProductPrecision precision = ProductPrecision::full;

 protected:
  Backend() = default;
  /// `table` outlives this.
  template <class Table>
  void provide(const Table& table) {
    tables_[std::type_index(typeid(Table))] = &table;
  }
  /// Launches of the calling thread go to this device from now on.
  virtual void make_current() = 0;
  /// What is launched between the two makes the recording.
  virtual void begin_recording() = 0;
  virtual std::unique_ptr<Recording> end_recording() = 0;

 private:
  [[noreturn]] void lacks(const char* who) const;
  bool recording_ = false;
  std::uint64_t recordings_ = 0;
  std::unordered_map<std::type_index, const void*> tables_;
};

/// Null is the CPU.
inline Device device_of(Backend* backend) { return backend ? backend->device() : Device{}; }
inline MemorySource& memory_of(Backend* backend) { return backend ? backend->memory() : host_memory(); }

/// The one of `device`, made at the first call; null for the CPU. Throws DeviceError when the device cannot be used.
Backend* backend_of(Device device);
/// Puts one in a device's place: for tests. Null takes it away.
void replace_backend(Device device, std::shared_ptr<Backend> backend);
/// Defined by cuda/, also in a build without CUDA.
std::shared_ptr<Backend> make_cuda_backend(Device device);

}  // namespace weft
