#include "weft/cuda/nccl.h"

#include <cstring>
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
    throw DeviceError("[ranks] NCCL said: {}; with NCCL_DEBUG=WARN it says more", nccl().words(code));
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
    cudaStreamSynchronize(stream_.handle());
    nccl().end(communicator_);
  }
  NcclLink(const NcclLink&) = delete;
  NcclLink& operator=(const NcclLink&) = delete;

  void send(int to, const void* bytes, std::size_t count) override {
    meet(to);
    check_nccl(nccl().send(bytes, count, nccl_bytes, to, communicator_, stream_.handle()));
  }
  void receive(int from, void* bytes, std::size_t count) override {
    meet(from);
    check_nccl(nccl().receive(bytes, count, nccl_bytes, from, communicator_, stream_.handle()));
  }
  void exchange(int with, const void* own, void* other, std::size_t count) override {
    meet(with);
    check_nccl(nccl().group_start());
    check_nccl(nccl().send(own, count, nccl_bytes, with, communicator_, stream_.handle()));
    check_nccl(nccl().receive(other, count, nccl_bytes, with, communicator_, stream_.handle()));
    check_nccl(nccl().group_end());
  }
  std::string detour() const override { return {}; }

 private:
  /// What a device waits for nobody can stop: so the processes wait first, no longer than the job's timeout.
  void meet(int with) { job_.exchange(with, {}, nothing_); }

  const Stream& stream_;
  Ranks& job_;
  void* communicator_ = nullptr;
  std::vector<std::byte> nothing_;
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
  return Hash().add(host_name()).add(std::string_view(bus)).value();
}

}  // namespace

void require_nccl(const std::string& library) { open(library); }

std::unique_ptr<DeviceLink> link_by_nccl(Backend& backend, const Stream& stream, Ranks& job) {
  const auto by_host = [&](std::string why) { return std::make_unique<HostLink>(backend, job, std::move(why)); };
  // All ranks decide alike, by what all of them say.
  const std::string missing = missing_library();
  if (const double lacking = job.all_sum(missing.empty() ? 0 : 1); lacking > 0)
    return by_host(missing.empty() ? fmt::format("{} of {} ranks have no {}", lacking, job.size(), nccl_library)
                                   : missing);
  if (job.all_sum(job.alike(number_of(stream.device())) - 1) > 0) return by_host("ranks share a GPU");
  return std::make_unique<NcclLink>(stream, job);
}

}  // namespace weft::cuda
