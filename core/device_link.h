#pragma once
// How ranks whose tensors lie on devices send numbers to one another.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "weft/core/backend.h"
#include "weft/core/ranks.h"

namespace weft {

/// From the memory of this rank's device to that of another's. Work is enqueued as a kernel is, behind what the device
/// was given before; another rank that does not answer in time is a RankError of the call. Both ranks call: what one
/// sends the other receives, of as many bytes.
class DeviceLink {
 public:
  virtual ~DeviceLink() = default;
  virtual void send(int to, const void* bytes, std::size_t count) = 0;
  virtual void receive(int from, void* bytes, std::size_t count) = 0;
  /// Both at once, with a rank that does the same.
  virtual void exchange(int with, const void* own, void* other, std::size_t count) = 0;
  /// Why bytes take a longer way than from device to device; empty where they do not.
  virtual std::string detour() const = 0;

 protected:
  /// Throws RankError unless the other rank sends as much as this one expects.
  static void check_length(int rank, std::size_t sent, std::size_t expected);
};

/// By way of the CPU's memory: any device, any transport.
class HostLink final : public DeviceLink {
 public:
  /// Both outlive this. `why`: see detour().
  HostLink(Backend& backend, Ranks& job, std::string why) : backend_(backend), job_(job), why_(std::move(why)) {}
  void send(int to, const void* bytes, std::size_t count) override;
  void receive(int from, void* bytes, std::size_t count) override;
  void exchange(int with, const void* own, void* other, std::size_t count) override;
  std::string detour() const override { return why_; }

 private:
  Backend& backend_;
  Ranks& job_;
  std::string why_;
  std::vector<std::byte> own_, other_;  ///< kept: steps allocate nothing
};

}  // namespace weft
