// What can be said of the libraries and of the run time without a device.

#include <doctest/doctest.h>

#include "weft/cuda/blas.h"
#include "weft/cuda/fused_blas.h"
#include "weft/cuda/memory.h"
#include "weft/cuda/nccl.h"

#if __has_include(<nccl.h>)
#include <nccl.h>
#endif

using namespace weft;

TEST_CASE("cuBLAS is opened at run time and has every function that weft calls") {
  CHECK(cuda::blas_library().starts_with("libcublas.so."));
  CHECK_NOTHROW(cuda::require_blas(cuda::blas_library()));
  CHECK(cuda::fused_blas_library().starts_with("libcublasLt.so."));
  CHECK_NOTHROW(cuda::require_fused_blas(cuda::fused_blas_library()));
}

TEST_CASE("a cuBLAS that is missing, or that is something else, is named") {
  const auto refused = [](const std::string& library, const char* part, const auto& require) {
    try {
      require(library);
    } catch (const DeviceError& error) {
      const std::string words = error.what();
      return words.starts_with("[gemm] " + library + " cannot be opened: ") && words.find(part) != std::string::npos;
    }
    return false;
  };
  CHECK(refused("libcublas.so.0", "LD_LIBRARY_PATH", cuda::require_blas));
  CHECK(refused("libm.so.6", "cublasCreate_v2", cuda::require_blas));
  CHECK(refused("libcublasLt.so.0", "LD_LIBRARY_PATH", cuda::require_fused_blas));
  CHECK(refused("libm.so.6", "cublasLtCreate", cuda::require_fused_blas));
}

TEST_CASE("NCCL has every function that weft calls where it is, and is named where it is not") {
  try {
    cuda::require_nccl(cuda::nccl_library);
  } catch (const DeviceError& error) {
    const std::string words = error.what();
    CHECK(words.starts_with("[ranks] libnccl.so.2 cannot be opened: "));
    CHECK(words.ends_with("to send from GPU to GPU needs NCCL: install it or add it to LD_LIBRARY_PATH"));
  }
  CHECK_THROWS_WITH_AS(cuda::require_nccl("libm.so.6"), doctest::Contains("ncclGetUniqueId"), DeviceError);
#if __has_include(<nccl.h>)
  CHECK((sizeof(cuda::NcclId) == sizeof(ncclUniqueId) && cuda::nccl_success == ncclSuccess));
  CHECK(cuda::nccl_bytes == ncclUint8);
#endif
}

TEST_CASE("streams are made on devices that are there, and used before anything is launched") {
  CHECK_THROWS_WITH_AS(cuda::Stream(Device{}), "[stream] 'cpu'; allowed: cuda:N", UsageError);
  const Device last{Device::Kind::cuda, 1000};
  CHECK_THROWS_WITH_AS(cuda::Stream{last}, device_refusal(last, cuda_state()).c_str(), DeviceError);
  CHECK_THROWS_WITH_AS(cuda::current_stream(), "[stream] no stream is in use by this thread; make a UseStream first",
                       UsageError);
}
