#include "weft/cuda/memory.h"

#include <algorithm>
#include <cstring>

#include "weft/core/backend.h"
#include "weft/cuda/check.h"

namespace weft::cuda {

void* DeviceMemory::allocate(std::size_t bytes) {
  backend_.refuse_in_recording("new memory");
  UseStream use(stream_);
  void* p = nullptr;
  const cudaError_t code = cudaMallocAsync(&p, bytes, stream_.handle());
  if (code == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw OutOfDeviceMemory(stream_.device(), bytes, state());
  }
  check(code, "memory");
  used_ += bytes;
  return p;
}

void DeviceMemory::release(void* p, std::size_t bytes) noexcept {
  used_ -= bytes;
  if (backend_.recording())
    late_.push_back(p);
  else
    cudaFreeAsync(p, stream_.handle());
}

void DeviceMemory::release_late() noexcept {
  for (void* p : late_) cudaFreeAsync(p, stream_.handle());
  late_.clear();
}

DeviceMemoryState DeviceMemory::state() const {
  UseStream use(stream_);
  DeviceMemoryState state;
  state.used = used_;
  check(cudaMemGetInfo(&state.free, &state.total), "memory");
  return state;
}

Staging::Staging(const Stream& stream) : stream_(stream) {
  UseStream use(stream_);
  for (Staged& piece : pieces_) {
    void* p = nullptr;
    check(cudaMallocHost(&p, piece_bytes), "staging");
    piece.host = static_cast<std::byte*>(p);
    check(cudaEventCreateWithFlags(&piece.done, cudaEventDisableTiming), "staging");
  }
}

Staging::Staged::~Staged() {
  if (done) {
    cudaEventSynchronize(done);
    cudaEventDestroy(done);
  }
  if (host) cudaFreeHost(host);
}

void Staging::upload(void* to, const void* from, std::size_t bytes) {
  auto* device = static_cast<std::byte*>(to);
  const auto* host = static_cast<const std::byte*>(from);
  for (std::size_t at = 0; at < bytes; at += piece_bytes) {
    const Staged& piece = pieces_[next_];
    next_ = 1 - next_;
    const std::size_t n = std::min(piece_bytes, bytes - at);
    check(cudaEventSynchronize(piece.done), "upload");
    std::memcpy(piece.host, host + at, n);
    check(cudaMemcpyAsync(device + at, piece.host, n, cudaMemcpyHostToDevice, stream_.handle()), "upload");
    check(cudaEventRecord(piece.done, stream_.handle()), "upload");
  }
}

void Staging::download(void* to, const void* from, std::size_t bytes) {
  auto* host = static_cast<std::byte*>(to);
  const auto* device = static_cast<const std::byte*>(from);
  const std::size_t pieces = (bytes + piece_bytes - 1) / piece_bytes;
  // One piece ahead: piece i + 1 is on its way while piece i is copied out.
  for (std::size_t i = 0; i <= pieces; ++i) {
    if (i < pieces) {
      const std::size_t at = i * piece_bytes, n = std::min(piece_bytes, bytes - at);
      check(cudaMemcpyAsync(pieces_[i % 2].host, device + at, n, cudaMemcpyDeviceToHost, stream_.handle()), "download");
      check(cudaEventRecord(pieces_[i % 2].done, stream_.handle()), "download");
    }
    if (i > 0) {
      const std::size_t at = (i - 1) * piece_bytes, n = std::min(piece_bytes, bytes - at);
      const Staged& piece = pieces_[(i - 1) % 2];
      if (const cudaError_t code = cudaEventSynchronize(piece.done); code != cudaSuccess)
        throw run_failed("download", cudaGetErrorName(code), cudaGetErrorString(code));
      std::memcpy(host + at, piece.host, n);
    }
  }
}

}  // namespace weft::cuda
