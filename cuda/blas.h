#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "weft/cuda/fused_blas.h"

namespace weft::cuda {

/// cuBLAS on one stream. The library is opened when the first one is made, so that a program starts without it.
class Blas {
 public:
  /// cuBLAS's own scratch, allocated once: it then allocates nothing, and sums in the same order every time.
  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20;

  /// `stream` outlives this. Throws DeviceError when cuBLAS is missing or fails, OutOfDeviceMemory.
  explicit Blas(const Stream& stream);
  ~Blas();
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

  /// Throws UsageError for double in another precision than full, DeviceError when cuBLAS fails.
  void product(const BlasProduct& product, bool is_double, ProductPrecision precision);
  /// See FusedBlas.
  bool fused_product(const BlasProduct& product, const FusedEpilogue& epilogue, ProductPrecision precision);

 private:
  const Stream& stream_;
  void* handle_ = nullptr;
  void* workspace_ = nullptr;
  std::unique_ptr<FusedBlas> fused_;  ///< on the same workspace: the stream runs one product after the other
};

/// Opens a library that has cuBLAS's functions. Throws DeviceError that names it when it is missing or lacks one.
void require_blas(const std::string& library);
/// The name of the one that this build was made for: libcublas.so.13
std::string blas_library();

}  // namespace weft::cuda
