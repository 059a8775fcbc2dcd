#pragma once
// NCCL: from one rank's GPU to another's without the CPU's memory. Its library is opened where ranks ask for it; weft
// is built without its header.

#include <memory>
#include <string>

#include "weft/core/device_link.h"
#include "weft/cuda/runtime.h"

namespace weft::cuda {

/// What weft uses of NCCL's header, for library_test.cpp to compare.
struct NcclId {
  char bytes[128];
};
inline constexpr int nccl_success = 0, nccl_bytes = 1;
inline constexpr const char* nccl_library = "libnccl.so.2";

/// Opens a library that has NCCL's functions. Throws DeviceError that names it when it is missing or lacks one.
void require_nccl(const std::string& library);

/// All ranks of the job call it, each with its own device and the stream of it; all three outlive what it returns. By
/// way of the CPU's memory where not every rank has the library, or two of them share a device.
/// Throws DeviceError when NCCL fails. A rank that does not come to its start is waited for without a timeout.
std::unique_ptr<DeviceLink> link_by_nccl(Backend& backend, const Stream& stream, Ranks& job);

}  // namespace weft::cuda
