#pragma once

#include <cstdint>
#include <string>

#include "weft/cuda/runtime.h"

namespace weft::cuda {

/// How exactly float32 products are computed.
enum class ProductPrecision : std::uint8_t {
  full,  ///< float32 throughout
  tf32,  ///< factors rounded to 11 bits, summed in float32: tensor cores
  bf16,  ///< factors rounded to 8 bits, summed in float32
};

/// One product as BLAS has it: column-major, C [m, n] = op(A) op(B) + beta C.
struct BlasProduct {
  std::int64_t m, n, k, batch;
  bool transpose_a, transpose_b;
  const void* a;
  std::int64_t lda, stride_a;
  const void* b;
  std::int64_t ldb, stride_b;
  void* c;
  std::int64_t ldc, stride_c;
  bool accumulate;  ///< beta is 1, else 0
};

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

 private:
  const Stream& stream_;
  void* handle_ = nullptr;
  void* workspace_ = nullptr;
};

/// Opens a library that has cuBLAS's functions. Throws DeviceError that names it when it is missing or lacks one.
void require_blas(const std::string& library);
/// The name of the one that this build was made for: libcublas.so.13
std::string blas_library();

}  // namespace weft::cuda
