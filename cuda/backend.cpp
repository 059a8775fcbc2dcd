#include "weft/cuda/backend.h"

namespace weft {

std::shared_ptr<Backend> make_cuda_backend(Device device) { return std::make_shared<cuda::CudaBackend>(device); }

namespace cuda {

CudaBackend::CudaBackend(Device device) : stream_(device), memory_(*this, stream_), staging_(stream_) {}

void CudaBackend::upload(void* to, const void* from, std::size_t bytes) {
  make_current();
  staging_.upload(to, from, bytes);
}

void CudaBackend::download(void* to, const void* from, std::size_t bytes) {
  make_current();
  staging_.download(to, from, bytes);
}

void CudaBackend::synchronise() { stream_.synchronise(); }

void CudaBackend::blas_product(const BlasProduct& product, bool is_double) {
  if (!blas_) blas_ = std::make_unique<Blas>(stream_);
  blas_->product(product, is_double, is_double ? ProductPrecision::full : precision);
}

}  // namespace cuda
}  // namespace weft
