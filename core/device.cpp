#include "weft/core/device.h"

#include <charconv>
#include <cstdlib>
#include <map>
#include <mutex>

#include "weft/core/backend.h"

namespace weft {
namespace {

std::string version(int number) { return fmt::format("{}.{}", number / 1000, number % 1000 / 10); }

std::string capability(int number) { return fmt::format("{}.{}", number / 10, number % 10); }

}  // namespace

Device parse_device(std::string_view text) {
  if (text == "cpu") return {};
  if (text == "cuda") return {Device::Kind::cuda, 0};
  constexpr std::string_view prefix = "cuda:";
  if (text.starts_with(prefix)) {
    Device device{Device::Kind::cuda, 0};
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data() + prefix.size(), end, device.index);
    if (error == std::errc() && rest == end && device.index >= 0) return device;
  }
  throw DeviceError("[device] '{}'; allowed: cpu, cuda, cuda:N with N = 0, 1, ...", text);
}

std::string default_device() {
  const char* asked = std::getenv("WEFT_DEVICE");
  return asked ? asked : "cpu";
}

std::string device_list(const CudaState& state) {
  std::string list = "cpu";
  for (std::size_t i = 0; i < state.devices.size(); ++i)
    list += fmt::format(", cuda:{} ({}, {})", i, state.devices[i].name, bytes_text(state.devices[i].memory));
  return list;
}

std::string device_refusal(Device device, const CudaState& state) {
  if (device.kind == Device::Kind::cpu) return "";
  const std::string who = fmt::format("[device] '{}': ", device.str());
  const std::string allowed = "; allowed: " + device_list(state);
  const auto index = static_cast<std::size_t>(device.index);
  if (!state.built) return who + "this build has no CUDA (WEFT_CUDA=OFF); build with -DWEFT_CUDA=ON" + allowed;
  if (state.driver == 0)
    return who + "no NVIDIA driver was found (libcuda.so.1); install it, or let the container see the GPU" + allowed;
  if (state.devices.empty() && state.driver < state.needed)
    return who +
           fmt::format("the NVIDIA driver knows CUDA {}, this build needs {} or later; update the driver",
                       version(state.driver), version(state.needed)) +
           allowed;
  if (state.devices.empty())
    return who +
           fmt::format("CUDA lists no device: {}; is CUDA_VISIBLE_DEVICES set?",
                       state.failure.empty() ? "none is visible" : state.failure) +
           allowed;
  if (index >= state.devices.size()) return who + "no such device" + allowed;
  const CudaDevice& found = state.devices[index];
  if (found.capability < state.oldest)
    return who +
           fmt::format("{} has compute capability {}, this build has code for {} and later; add it to WEFT_CUDA_ARCHS",
                       found.name, capability(found.capability), capability(state.oldest)) +
           allowed;
  return "";
}

void require_device(Device device) {
  if (device.kind == Device::Kind::cpu) return;  // and the driver is not asked
  if (const std::string why = device_refusal(device, cuda_state()); !why.empty()) throw DeviceError("{}", why);
}

OutOfDeviceMemory::OutOfDeviceMemory(Device device_, std::size_t asked_, DeviceMemoryState memory_,
                                     std::string_view advice)
    : DeviceError("[memory] {} is full: {} asked for, {} used by weft, {} of {} free; {}", device_.str(),
                  bytes_text(asked_), bytes_text(memory_.used), bytes_text(memory_.free), bytes_text(memory_.total),
                  advice),
      device(device_),
      asked(asked_),
      memory(memory_) {}

namespace {

/// The backends in use, by the number of their device.
struct Backends {
  std::mutex mutex;
  std::map<int, std::shared_ptr<Backend>> of;
};
Backends& backends() {
  static Backends all;
  return all;
}

}  // namespace

Backend* backend_of(Device device) {
  if (device.kind == Device::Kind::cpu) return nullptr;
  Backends& all = backends();
  const std::lock_guard lock(all.mutex);
  std::shared_ptr<Backend>& entry = all.of[device.index];
  if (!entry) {
    require_device(device);
    entry = make_cuda_backend(device);
  }
  return entry.get();
}

void replace_backend(Device device, std::shared_ptr<Backend> backend) {
  Backends& all = backends();
  const std::lock_guard lock(all.mutex);
  all.of[device.index] = std::move(backend);
}

std::string bytes_text(std::size_t bytes) {
  const char* units[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double size = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; size >= 1023.95 && unit < 3; ++unit) size /= 1024;
  return fmt::format("{:.1f} {}", size, units[unit]);
}

}  // namespace weft
