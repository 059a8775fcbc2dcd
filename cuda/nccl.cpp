#include "weft/cuda/nccl.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <span>
#include <utility>
#include <vector>

#include "weft/core/hash.h"
#include "weft/cuda/check.h"
#include "weft/cuda/library.h"

namespace weft::cuda {
namespace {

/// What weft uses of NCCL, under its names; a communicator is a pointer, its enumerations are int.
struct Functions {
  int (*get_id)(NcclId*);
  int (*begin)(void**, int ranks, NcclId, int rank);
  int (*end)(void*);
  int (*send)(const void*, std::size_t, int type, int to, void*, StreamHandle);
  int (*receive)(void*, std::size_t, int type, int from, void*, StreamHandle);
  int (*group_start)();
  int (*group_end)();
  const char* (*words)(int);
};

Functions open(const std::string& name) {
  const Library library("ranks", name, "to send from GPU to GPU needs NCCL");
  Functions f;
  library.find("ncclGetUniqueId", f.get_id);
  library.find("ncclCommInitRank", f.begin);
  library.find("ncclCommDestroy", f.end);
  library.find("ncclSend", f.send);
  library.find("ncclRecv", f.receive);
  library.find("ncclGroupStart", f.group_start);
  library.find("ncclGroupEnd", f.group_end);
  library.find("ncclGetErrorString", f.words);
  return f;
}

const Functions& nccl() {
  static const Functions functions = open(nccl_library);
  return functions;
}

void check_nccl(int code) {
  if (code != nccl_success)
    throw DeviceError(
        "[ranks] NCCL said: {}; with NCCL_DEBUG=WARN it says more. Where weft does not find {}, gradients go by way of "
        "the CPU's memory",
        nccl().words(code), nccl_library);
}

class NcclLink final : public DeviceLink {
 public:
  NcclLink(const Stream& stream, Ranks& job) : stream_(stream), job_(job) {
    NcclId id{};
    if (job.first()) check_nccl(nccl().get_id(&id));
    const std::string told = job.broadcast({id.bytes, sizeof id.bytes});
    std::memcpy(id.bytes, told.data(), sizeof id.bytes);
    UseStream use(stream_);  // and its device
    check_nccl(nccl().begin(&communicator_, job.size(), id, job.rank()));
  }
  ~NcclLink() override {
    // Both wait for other ranks. After an error these may never come, and they are to hear of it: the rest is the
    // driver's, once the process ends.
    if (std::uncaught_exceptions() > 0) return;
    cudaStreamSynchronize(stream_.handle());
    nccl().end(communicator_);
  }
  NcclLink(const NcclLink&) = delete;
  NcclLink& operator=(const NcclLink&) = delete;

  void send(int to, const void* bytes, std::size_t count) override {
    meet(to, count);
    check_nccl(nccl().send(bytes, count, nccl_bytes, to, communicator_, stream_.handle()));
  }
  void receive(int from, void* bytes, std::size_t count) override {
    meet(from, count);
    check_nccl(nccl().receive(bytes, count, nccl_bytes, from, communicator_, stream_.handle()));
  }
  void exchange(int with, const void* own, void* other, std::size_t count) override {
    meet(with, count);
    check_nccl(nccl().group_start());
    const int sent = nccl().send(own, count, nccl_bytes, with, communicator_, stream_.handle()),
              received = nccl().receive(other, count, nccl_bytes, with, communicator_, stream_.handle()),
              ended = nccl().group_end();
    for (const int code : {sent, received, ended}) check_nccl(code);
  }
  std::string detour() const override { return {}; }

 private:
  /// What a device waits for nobody can stop: so the processes wait first, no longer than the job's timeout, and agree
  /// on how much they send.
  void meet(int with, std::size_t count) {
    job_.exchange(with, std::as_bytes(std::span(&count, 1)), told_);
    std::size_t other = 0;
    std::memcpy(&other, told_.data(), std::min(told_.size(), sizeof other));
    check_length(with, other, count);
  }

  const Stream& stream_;
  Ranks& job_;
  void* communicator_ = nullptr;
  std::vector<std::byte> told_;
};

/// Empty where this process has the library.
std::string missing_library() {
  try {
    nccl();
    return {};
  } catch (const DeviceError& error) {
    return error.what();
  }
}

/// Another number for each device of each machine.
std::uint64_t number_of(Device device) {
  char bus[64] = {};
  check(cudaDeviceGetPCIBusId(bus, sizeof bus, device.index), "ranks");
  return Hash().add(machine_name()).add(std::string_view(bus)).value();
}

}  // namespace

void require_nccl(const std::string& library) { open(library); }

std::unique_ptr<DeviceLink> link_by_nccl(Backend& backend, const Stream& stream, Ranks& job) {
  const auto by_host = [&](std::string why) { return std::make_unique<HostLink>(backend, job, std::move(why)); };
  // All ranks decide alike, by what all of them say: which device they have, or that they have no NCCL.
  const std::string missing = missing_library();
  std::vector<std::uint64_t> devices = job.all_of(missing.empty() ? number_of(stream.device()) : 0);
  if (!missing.empty()) return by_host(missing);
  if (std::ranges::count(devices, 0U) > 0) return by_host(fmt::format("another rank has no {}", nccl_library));
  std::ranges::sort(devices);
  if (std::ranges::adjacent_find(devices) != devices.end()) return by_host("ranks share a GPU");
  return std::make_unique<NcclLink>(stream, job);
}

}  // namespace weft::cuda
