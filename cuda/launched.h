#pragma once
// What sources of kernels need of the run time. They include no more of it: nvcc reads slowly.

struct CUstream_st;

namespace weft::cuda {

/// Where the next launch goes: see current_stream() in cuda/runtime.h.
CUstream_st* launch_stream();

/// Throws DeviceError, naming the operation, when the launch before this call failed.
void launched(const char* op);

}  // namespace weft::cuda
