#include "weft/core/device_link.h"

namespace weft {

std::unique_ptr<DeviceLink> Backend::link(Ranks& job) {
  return std::make_unique<HostLink>(*this, job, fmt::format("{} has no way to other ranks' devices", device().str()));
}

void HostLink::send(int to, const void* bytes, std::size_t count) {
  own_.resize(count);
  backend_.download(own_.data(), bytes, count);
  job_.send(to, own_);
}

void HostLink::receive(int from, void* bytes, std::size_t count) {
  other_.resize(count);
  job_.receive(from, other_);
  backend_.upload(bytes, other_.data(), count);
}

void HostLink::exchange(int with, const void* own, void* other, std::size_t count) {
  own_.resize(count);
  backend_.download(own_.data(), own, count);
  job_.exchange(with, own_, other_);
  if (other_.size() != count)
    throw RankError("[ranks] rank {} sent {} bytes where {} are due; all ranks train the same model", with,
                    other_.size(), count);
  backend_.upload(other, other_.data(), count);
}

}  // namespace weft
