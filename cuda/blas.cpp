#include "weft/cuda/blas.h"

#include <cublas_v2.h>

#include "weft/cuda/check.h"
#include "weft/cuda/library.h"

namespace weft::cuda {
namespace {

/// What weft uses of cuBLAS, under its names.
struct Functions {
  decltype(&cublasCreate_v2) create;
  decltype(&cublasDestroy_v2) destroy;
  decltype(&cublasSetStream_v2) set_stream;
  decltype(&cublasSetWorkspace_v2) set_workspace;
  decltype(&cublasGemmStridedBatchedEx_64) gemm;
  decltype(&cublasGetStatusName) status_name;
  decltype(&cublasGetStatusString) status_words;
};

Functions open(const std::string& name) {
  const Library library("gemm", name, "products on a GPU need cuBLAS");
  Functions f;
  library.find("cublasCreate_v2", f.create);
  library.find("cublasDestroy_v2", f.destroy);
  library.find("cublasSetStream_v2", f.set_stream);
  library.find("cublasSetWorkspace_v2", f.set_workspace);
  library.find("cublasGemmStridedBatchedEx_64", f.gemm);
  library.find("cublasGetStatusName", f.status_name);
  library.find("cublasGetStatusString", f.status_words);
  return f;
}

const Functions& blas() {
  static const Functions functions = open(blas_library());
  return functions;
}

void check(cublasStatus_t status) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw call_failed("gemm", blas().status_name(status), blas().status_words(status));
}

cublasComputeType_t compute_type(bool is_double, ProductPrecision precision) {
  if (is_double && precision != ProductPrecision::full)
    throw UsageError("[gemm] tf32 or bf16 for float64; allowed: full precision, or float32");
  return is_double ? CUBLAS_COMPUTE_64F : static_cast<cublasComputeType_t>(float_compute_type(precision));
}

}  // namespace

int float_compute_type(ProductPrecision precision) {
  switch (precision) {
    case ProductPrecision::tf32:
      return CUBLAS_COMPUTE_32F_FAST_TF32;
    case ProductPrecision::bf16:
      return CUBLAS_COMPUTE_32F_FAST_16BF;
    case ProductPrecision::full:
      break;
  }
  return CUBLAS_COMPUTE_32F_PEDANTIC;  // whatever NVIDIA_TF32_OVERRIDE says
}

std::string blas_library() { return fmt::format("libcublas.so.{}", CUBLAS_VER_MAJOR); }

void require_blas(const std::string& library) { open(library); }

Blas::Blas(const Stream& stream) : stream_(stream) {
  UseStream use(stream_);
  cublasHandle_t handle = nullptr;
  check(blas().create(&handle));
  handle_ = handle;
  const cudaError_t code = cudaMalloc(&workspace_, workspace_bytes);
  try {
    if (code == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      DeviceMemoryState memory;
      check(cudaMemGetInfo(&memory.free, &memory.total), "gemm");
      throw OutOfDeviceMemory(stream_.device(), workspace_bytes, memory);
    }
    check(code, "gemm");
    check(blas().set_stream(handle, stream_.handle()));
    check(blas().set_workspace(handle, workspace_, workspace_bytes));  // after the stream, which takes it away
    fused_ = std::make_unique<FusedBlas>(stream_, workspace_, workspace_bytes);
  } catch (...) {
    cudaFree(workspace_);
    blas().destroy(handle);
    throw;
  }
}

Blas::~Blas() {
  cudaStreamSynchronize(stream_.handle());
  fused_.reset();
  blas().destroy(static_cast<cublasHandle_t>(handle_));
  cudaFree(workspace_);
}

void Blas::product(const BlasProduct& p, bool is_double, ProductPrecision precision) {
  const cublasComputeType_t compute = compute_type(is_double, precision);
  const cudaDataType_t type = is_double ? CUDA_R_64F : CUDA_R_32F;
  const float one = 1, beta = p.accumulate ? 1.f : 0.f;
  const double one_double = 1, beta_double = p.accumulate ? 1. : 0.;
  const auto operation = [](bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; };
  check(blas().gemm(static_cast<cublasHandle_t>(handle_), operation(p.transpose_a), operation(p.transpose_b), p.m, p.n,
                    p.k, is_double ? static_cast<const void*>(&one_double) : &one, p.a, type, p.lda, p.stride_a, p.b,
                    type, p.ldb, p.stride_b, is_double ? static_cast<const void*>(&beta_double) : &beta, p.c, type,
                    p.ldc, p.stride_c, p.batch, compute, CUBLAS_GEMM_DEFAULT));
}

bool Blas::fused_product(const BlasProduct& p, const FusedEpilogue& epilogue, ProductPrecision precision) {
  return fused_->product(p, epilogue, precision);
}

}  // namespace weft::cuda
