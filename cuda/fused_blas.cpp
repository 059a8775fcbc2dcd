#include "weft/cuda/fused_blas.h"

#include <array>
#include <climits>
#include <map>
#include <type_traits>

#include <cublasLt.h>

#include "weft/cuda/check.h"
#include "weft/cuda/library.h"

namespace weft::cuda {
namespace {

/// What weft uses of cuBLASLt, under its names.
struct Functions {
  decltype(&cublasLtCreate) create;
  decltype(&cublasLtDestroy) destroy;
  decltype(&cublasLtMatmul) matmul;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic;
  decltype(&cublasLtMatmulDescCreate) create_operation;
  decltype(&cublasLtMatmulDescDestroy) destroy_operation;
  decltype(&cublasLtMatmulDescSetAttribute) set_operation;
  decltype(&cublasLtMatrixLayoutCreate) create_layout;
  decltype(&cublasLtMatrixLayoutDestroy) destroy_layout;
  decltype(&cublasLtMatrixLayoutSetAttribute) set_layout;
  decltype(&cublasLtMatmulPreferenceCreate) create_preference;
  decltype(&cublasLtMatmulPreferenceDestroy) destroy_preference;
  decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference;
  decltype(&cublasLtGetStatusName) status_name;
  decltype(&cublasLtGetStatusString) status_words;
};

Functions open(const std::string& name) {
  const Library library("gemm", name, "products on a GPU need cuBLAS");
  Functions f;
  library.find("cublasLtCreate", f.create);
  library.find("cublasLtDestroy", f.destroy);
  library.find("cublasLtMatmul", f.matmul);
  library.find("cublasLtMatmulAlgoGetHeuristic", f.heuristic);
  library.find("cublasLtMatmulDescCreate", f.create_operation);
  library.find("cublasLtMatmulDescDestroy", f.destroy_operation);
  library.find("cublasLtMatmulDescSetAttribute", f.set_operation);
  library.find("cublasLtMatrixLayoutCreate", f.create_layout);
  library.find("cublasLtMatrixLayoutDestroy", f.destroy_layout);
  library.find("cublasLtMatrixLayoutSetAttribute", f.set_layout);
  library.find("cublasLtMatmulPreferenceCreate", f.create_preference);
  library.find("cublasLtMatmulPreferenceDestroy", f.destroy_preference);
  library.find("cublasLtMatmulPreferenceSetAttribute", f.set_preference);
  library.find("cublasLtGetStatusName", f.status_name);
  library.find("cublasLtGetStatusString", f.status_words);
  return f;
}

const Functions& lt() {
  static const Functions functions = open(fused_blas_library());
  return functions;
}

void check(cublasStatus_t status) {
  if (status != CUBLAS_STATUS_SUCCESS) throw call_failed("gemm", lt().status_name(status), lt().status_words(status));
}

struct Destroy {
  void operator()(cublasLtMatmulDesc_t operation) const { lt().destroy_operation(operation); }
  void operator()(cublasLtMatrixLayout_t layout) const { lt().destroy_layout(layout); }
  void operator()(cublasLtMatmulPreference_t preference) const { lt().destroy_preference(preference); }
};
template <class Pointer>
using Owned = std::unique_ptr<std::remove_pointer_t<Pointer>, Destroy>;

/// An attribute's value has a size of its own: T is not deduced.
template <class T, class Set, class Object, class Attribute>
void set(Set function, const Object& object, Attribute attribute, std::type_identity_t<T> value) {
  check(function(object.get(), attribute, &value, sizeof value));
}

Owned<cublasLtMatrixLayout_t> layout(std::int64_t rows, std::int64_t columns, std::int64_t leading, std::int64_t batch,
                                     std::int64_t stride) {
  cublasLtMatrixLayout_t made = nullptr;
  check(lt().create_layout(&made, CUDA_R_32F, static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns),
                           leading));
  Owned<cublasLtMatrixLayout_t> owned(made);
  set<std::int32_t>(lt().set_layout, owned, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<std::int32_t>(batch));
  set<std::int64_t>(lt().set_layout, owned, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, stride);
  return owned;
}

std::uint32_t alignment(const void* p) {
  constexpr std::uintptr_t most = 16;
  const auto address = reinterpret_cast<std::uintptr_t>(p) | most;
  return static_cast<std::uint32_t>(address & -address);  // the lowest bit
}

/// One kind of product, and how it is done.
struct Plan {
  Owned<cublasLtMatmulDesc_t> operation;
  Owned<cublasLtMatrixLayout_t> a, b, c;
  cublasLtMatmulAlgo_t algorithm = {};
  bool found = false;
};

cublasLtEpilogue_t epilogue_of(FusedEnd end) {
  switch (end) {
    case FusedEnd::bias:
      return CUBLASLT_EPILOGUE_BIAS;
    case FusedEnd::relu:
      return CUBLASLT_EPILOGUE_RELU;
    case FusedEnd::relu_bias:
      return CUBLASLT_EPILOGUE_RELU_BIAS;
    case FusedEnd::none:
      break;
  }
  return CUBLASLT_EPILOGUE_DEFAULT;
}

}  // namespace

struct FusedBlas::Library {
  const Stream& stream;
  void* workspace;
  std::size_t workspace_bytes;
  cublasLtHandle_t handle = nullptr;
  std::map<std::array<std::int64_t, 19>, Plan> plans;

  Plan make(const BlasProduct& p, const FusedEpilogue& epilogue, ProductPrecision precision) const {
    Plan plan;
    cublasLtMatmulDesc_t operation = nullptr;
    check(
        lt().create_operation(&operation, static_cast<cublasComputeType_t>(float_compute_type(precision)), CUDA_R_32F));
    plan.operation.reset(operation);
    const auto describe = lt().set_operation;
    set<std::int32_t>(describe, plan.operation, CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    set<std::int32_t>(describe, plan.operation, CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    set<std::uint32_t>(describe, plan.operation, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_of(epilogue.end));
    set<const void*>(describe, plan.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, epilogue.bias);  // its alignment
    set<std::int64_t>(describe, plan.operation, CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, epilogue.bias_stride);
    plan.a = layout(p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k, p.lda, p.batch, p.stride_a);
    plan.b = layout(p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n, p.ldb, p.batch, p.stride_b);
    plan.c = layout(p.m, p.n, p.ldc, p.batch, p.stride_c);

    cublasLtMatmulPreference_t made = nullptr;
    check(lt().create_preference(&made));
    const Owned<cublasLtMatmulPreference_t> preference(made);
    const auto prefer = lt().set_preference;
    set<std::uint64_t>(prefer, preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_bytes);
    // Sums that are split are added in a step of their own, in a fixed order.
    set<std::uint32_t>(prefer, preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                       CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
    set<std::uint32_t>(prefer, preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment(p.a));
    set<std::uint32_t>(prefer, preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment(p.b));
    set<std::uint32_t>(prefer, preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment(p.c));
    set<std::uint32_t>(prefer, preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment(p.c));
    cublasLtMatmulHeuristicResult_t best = {};
    int results = 0;
    const cublasStatus_t status = lt().heuristic(handle, plan.operation.get(), plan.a.get(), plan.b.get(), plan.c.get(),
                                                 plan.c.get(), preference.get(), 1, &best, &results);
    // What it cannot do it calls the one or the other; a plain product with a second kernel can.
    if (status != CUBLAS_STATUS_NOT_SUPPORTED && status != CUBLAS_STATUS_INVALID_VALUE) check(status);
    plan.found = status == CUBLAS_STATUS_SUCCESS && results > 0 && best.state == CUBLAS_STATUS_SUCCESS;
    plan.algorithm = best.algo;
    return plan;
  }

  const Plan& plan(const BlasProduct& p, const FusedEpilogue& epilogue, ProductPrecision precision) {
    const std::array<std::int64_t, 19> kind{p.m,
                                            p.n,
                                            p.k,
                                            p.batch,
                                            p.transpose_a,
                                            p.transpose_b,
                                            p.lda,
                                            p.stride_a,
                                            p.ldb,
                                            p.stride_b,
                                            p.ldc,
                                            p.stride_c,
                                            p.accumulate,
                                            alignment(p.a),
                                            alignment(p.b),
                                            alignment(p.c),
                                            static_cast<std::int64_t>(epilogue.end),
                                            epilogue.bias_stride,
                                            static_cast<std::int64_t>(precision)};
    const auto known = plans.find(kind);
    return known != plans.end() ? known->second : plans.emplace(kind, make(p, epilogue, precision)).first->second;
  }
};

FusedBlas::FusedBlas(const Stream& stream, void* workspace, std::size_t workspace_bytes)
    : library_(new Library{stream, workspace, workspace_bytes, nullptr, {}}) {
  UseStream use(stream);
  check(lt().create(&library_->handle));
}

FusedBlas::~FusedBlas() { lt().destroy(library_->handle); }

bool FusedBlas::product(const BlasProduct& p, const FusedEpilogue& epilogue, ProductPrecision precision) {
  if (p.batch > INT_MAX) return false;
  const Plan& plan = library_->plan(p, epilogue, precision);
  if (!plan.found) return false;
  set<const void*>(lt().set_operation, plan.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, epilogue.bias);
  const float one = 1, beta = p.accumulate ? 1.f : 0.f;
  check(lt().matmul(library_->handle, plan.operation.get(), &one, p.a, plan.a.get(), p.b, plan.b.get(), &beta, p.c,
                    plan.c.get(), p.c, plan.c.get(), &plan.algorithm, library_->workspace, library_->workspace_bytes,
                    library_->stream.handle()));
  return true;
}

std::string fused_blas_library() { return fmt::format("libcublasLt.so.{}", CUBLAS_VER_MAJOR); }

void require_fused_blas(const std::string& library) { open(library); }

}  // namespace weft::cuda
