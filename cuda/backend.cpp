#include "weft/cuda/backend.h"

#include "weft/cuda/check.h"
#include "weft/cuda/nccl.h"

namespace weft {

std::shared_ptr<Backend> make_cuda_backend(Device device) { return std::make_shared<cuda::CudaBackend>(device); }

namespace cuda {
namespace {

class Graph final : public Recording {
 public:
  /// `graph` is used up.
  Graph(const Stream& stream, cudaGraph_t graph) : stream_(stream) {
    const cudaError_t code = cudaGraphInstantiate(&ready_, graph, 0);
    cudaGraphDestroy(graph);
    check(code, "record");
  }
  ~Graph() override {
    cudaStreamSynchronize(stream_.handle());  // it may be running
    cudaGraphExecDestroy(ready_);
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void replay() override {
    UseStream use(stream_);
    check(cudaGraphLaunch(ready_, stream_.handle()), "replay");
  }

 private:
  const Stream& stream_;
  cudaGraphExec_t ready_ = nullptr;
};

}  // namespace

CudaBackend::CudaBackend(Device device) : stream_(device), memory_(*this, stream_), staging_(stream_) {}

void CudaBackend::upload(void* to, const void* from, std::size_t bytes) {
  refuse_in_recording("an upload");
  make_current();
  staging_.upload(to, from, bytes);
}

void CudaBackend::download(void* to, const void* from, std::size_t bytes) {
  refuse_in_recording("a download");
  make_current();
  staging_.download(to, from, bytes);
}

void CudaBackend::synchronise() {
  refuse_in_recording("waiting");
  stream_.synchronise();
}

std::unique_ptr<DeviceLink> CudaBackend::link(Ranks& job) { return link_by_nccl(*this, stream_, job); }

void CudaBackend::begin_recording() {
  // Other threads may go on using CUDA; this one is held to what a graph can hold.
  check(cudaStreamBeginCapture(stream_.handle(), cudaStreamCaptureModeThreadLocal), "record");
}

std::unique_ptr<Recording> CudaBackend::end_recording() {
  cudaGraph_t graph = nullptr;
  const cudaError_t code = cudaStreamEndCapture(stream_.handle(), &graph);
  memory_.release_late();
  check(code, "record");
  return std::make_unique<Graph>(stream_, graph);
}

Blas& CudaBackend::blas() {
  if (!blas_) {
    refuse_in_recording("the first product, which opens cuBLAS,");
    blas_ = std::make_unique<Blas>(stream_);
  }
  return *blas_;
}

void CudaBackend::blas_product(const BlasProduct& product, bool is_double) {
  blas().product(product, is_double, is_double ? ProductPrecision::full : precision);
}

bool CudaBackend::fused_product(const BlasProduct& product, const FusedEpilogue& epilogue) {
  return blas().fused_product(product, epilogue, precision);
}

}  // namespace cuda
}  // namespace weft
