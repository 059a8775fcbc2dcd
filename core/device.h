#pragma once
// Where work runs. Plain C++, in every build: one without CUDA has these texts too.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weft/core/error.h"

namespace weft {

struct Device {
  enum class Kind : std::uint8_t { cpu, cuda };
  Kind kind = Kind::cpu;
  int index = 0;

  bool operator==(const Device&) const = default;
  /// "cpu", "cuda:0"
  std::string str() const { return kind == Kind::cpu ? "cpu" : fmt::format("cuda:{}", index); }
};

/// "cpu", "cuda" (the first; under mpirun a machine's ranks take its devices in turn) or "cuda:N". Throws DeviceError
/// for another text.
Device parse_device(std::string_view text);

/// The text of WEFT_DEVICE, else "cpu".
std::string default_device();

struct CudaDevice {
  std::string name;
  int capability = 0;      ///< 90 is sm_90
  std::size_t memory = 0;  ///< bytes
};

/// What this build and this machine have of CUDA.
struct CudaState {
  bool built = false;   ///< WEFT_CUDA was on
  int needed = 0;       ///< the toolkit of the build, 13000 is 13.0
  int driver = 0;       ///< the newest CUDA that the driver knows; 0: no driver
  int oldest = 0;       ///< the lowest capability that the build has code for
  std::string failure;  ///< CUDA's own words when it cannot list the devices
  std::vector<CudaDevice> devices;
};

/// Asked of the driver once, at the first call.
const CudaState& cuda_state();

/// "cpu, cuda:0 (NVIDIA H100, 79.6 GiB)"
std::string device_list(const CudaState& state);
/// Why `device` cannot be used, what there is instead and what to do; empty when it can.
std::string device_refusal(Device device, const CudaState& state);
/// Throws DeviceError with device_refusal() of this machine.
void require_device(Device device);

/// Bytes of a device at one moment.
struct DeviceMemoryState {
  std::size_t used = 0;  ///< by weft
  std::size_t free = 0, total = 0;
};

/// The caller, who knows what a batch takes, may catch it and say which batch would fit.
class OutOfDeviceMemory : public DeviceError {
 public:
  OutOfDeviceMemory(Device device, std::size_t asked, DeviceMemoryState memory,
                    std::string_view advice = "take a smaller batch");
  Device device;
  std::size_t asked;
  DeviceMemoryState memory;
};

/// "512 B", "79.6 GiB"
std::string bytes_text(std::size_t bytes);

}  // namespace weft
