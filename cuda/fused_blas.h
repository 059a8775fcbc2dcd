#pragma once

#include <memory>
#include <string>

#include "weft/cuda/device_backend.h"
#include "weft/cuda/runtime.h"

namespace weft::cuda {

/// cuBLASLt on one stream: products of float32 that end in a bias, in ReLU or in both. It is asked once for each kind
/// of product (shape, strides, alignment, epilogue, precision) which of its algorithms to take.
class FusedBlas {
 public:
  /// `stream` and the workspace outlive this. Throws DeviceError when cuBLASLt is missing or fails.
  FusedBlas(const Stream& stream, void* workspace, std::size_t workspace_bytes);
  ~FusedBlas();
  FusedBlas(const FusedBlas&) = delete;
  FusedBlas& operator=(const FusedBlas&) = delete;

  /// False where the library has no algorithm for it. Throws DeviceError when it fails.
  bool product(const BlasProduct& product, const FusedEpilogue& epilogue, ProductPrecision precision);

 private:
  struct Library;
  std::unique_ptr<Library> library_;
};

/// The cublasComputeType_t of products of float32.
int float_compute_type(ProductPrecision precision);

/// Opens a library that has cuBLASLt's functions. Throws DeviceError that names it when it is missing or lacks one.
void require_fused_blas(const std::string& library);
/// The name of the one that this build was made for: libcublasLt.so.13
std::string fused_blas_library();

}  // namespace weft::cuda
