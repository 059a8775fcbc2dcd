#include "weft/cuda/runtime.h"

#include "weft/cuda/check.h"
#include "weft/cuda/launched.h"

namespace weft {
namespace {

CudaState ask() {
  CudaState state;
  state.built = true;
  state.needed = CUDART_VERSION;
  state.oldest = WEFT_CUDA_OLDEST;
  // Without a driver this succeeds and says 0.
  if (cudaDriverGetVersion(&state.driver) != cudaSuccess) state.driver = 0;
  int count = 0;
  if (const cudaError_t code = cudaGetDeviceCount(&count); code != cudaSuccess) {
    state.failure = cudaGetErrorString(code);
    count = 0;
  }
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp properties;
    if (const cudaError_t code = cudaGetDeviceProperties(&properties, i); code != cudaSuccess) {
      state.failure = cudaGetErrorString(code);
      break;
    }
    state.devices.push_back({properties.name, 10 * properties.major + properties.minor, properties.totalGlobalMem});
  }
  cudaGetLastError();
  return state;
}

}  // namespace

const CudaState& cuda_state() {
  static const CudaState state = ask();
  return state;
}

namespace cuda {
namespace {

thread_local const Stream* current = nullptr;

}  // namespace

Stream::Stream(Device device) : device_(device) {
  if (device.kind != Device::Kind::cuda) throw UsageError("[stream] '{}'; allowed: cuda:N", device.str());
  require_device(device);
  check(cudaSetDevice(device.index), "stream");
  check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "stream");
}

Stream::~Stream() { cudaStreamDestroy(handle_); }

void Stream::synchronise() const {
  if (const cudaError_t code = cudaStreamSynchronize(handle_); code != cudaSuccess)
    throw run_failed("synchronise", cudaGetErrorName(code), cudaGetErrorString(code));
}

UseStream::UseStream(const Stream& stream) : before_(current) {
  check(cudaSetDevice(stream.device().index), "stream");
  current = &stream;
}

UseStream::~UseStream() {
  current = before_;
  if (current) cudaSetDevice(current->device().index);
}

void use_stream(const Stream& stream) {
  if (current == &stream) return;
  check(cudaSetDevice(stream.device().index), "stream");
  current = &stream;
}

const Stream& current_stream() {
  if (!current) throw UsageError("[stream] no stream is in use by this thread; make a UseStream first");
  return *current;
}

CUstream_st* launch_stream() { return current_stream().handle(); }

void launched(const char* op) {
  if (const cudaError_t code = cudaGetLastError(); code != cudaSuccess)
    throw launch_failed(op, cudaGetErrorName(code), cudaGetErrorString(code));
}

}  // namespace cuda
}  // namespace weft
