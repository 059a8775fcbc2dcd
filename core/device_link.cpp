#include "weft/core/device_link.h"

namespace weft {

std::unique_ptr<DeviceLink> Backend::link(Ranks& job) {
  return std::make_unique<HostLink>(*this, job, fmt::format("{} has no way to other ranks' devices", device().str()));
}

void DeviceLink::check_length(int rank, std::size_t sent, std::size_t expected) {
  if (sent != expected)
    throw RankError("[ranks] rank {} sent {} bytes where {} are due; all ranks train the same model", rank, sent,
                    expected);
}

void HostLink::send(int to, const void* bytes, std::size_t count) {
  own_.resize(count);
  backend_.download(own_.data(), bytes, count);
  job_.send_bytes(to, own_);
}

void HostLink::receive(int from, void* bytes, std::size_t count) {
  job_.receive_bytes(from, other_);
  check_length(from, other_.size(), count);
  backend_.upload(bytes, other_.data(), count);
}

void HostLink::exchange(int with, const void* own, void* other, std::size_t count) {
  own_.resize(count);
  backend_.download(own_.data(), own, count);
  job_.exchange(with, own_, other_);
  check_length(with, other_.size(), count);
  backend_.upload(other, other_.data(), count);
}

}  // namespace weft
