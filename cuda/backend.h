#pragma once

#include <memory>

#include "weft/cuda/blas.h"
#include "weft/cuda/memory.h"

namespace weft::cuda {

/// One GPU: a stream, its memory, the way there and back, cuBLAS, and all kernels of this build.
class CudaBackend final : public DeviceBackend {
 public:
  /// Throws DeviceError when the device cannot be used.
  explicit CudaBackend(Device device);

  Device device() const override { return stream_.device(); }
  MemorySource& memory() override { return memory_; }
  void upload(void* to, const void* from, std::size_t bytes) override;
  void download(void* to, const void* from, std::size_t bytes) override;
  void synchronise() override;
  /// By NCCL where it can be.
  std::unique_ptr<DeviceLink> link(Ranks& job) override;

  /// Opens cuBLAS at the first call. Throws DeviceError when it is missing.
  void blas_product(const BlasProduct& product, bool is_double) override;
  bool fused_product(const BlasProduct& product, const FusedEpilogue& epilogue) override;

  const Stream& stream() const { return stream_; }

 private:
  void make_current() override { use_stream(stream_); }
  Blas& blas();
  void begin_recording() override;
  std::unique_ptr<Recording> end_recording() override;

  Stream stream_;
  DeviceMemory memory_;
  Staging staging_;
  std::unique_ptr<Blas> blas_;
};

}  // namespace weft::cuda
