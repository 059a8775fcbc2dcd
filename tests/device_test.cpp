// Devices by name, and what is said of those that cannot be used: word for word, for machines that are not this one.

#include "weft/core/device.h"

#include <cstdlib>

#include <doctest/doctest.h>

using namespace weft;

namespace {

/// A machine with two devices, that all is right with.
CudaState machine() {
  CudaState state;
  state.built = true;
  state.needed = 13000;
  state.driver = 13010;
  state.oldest = 80;
  state.devices = {{"NVIDIA H100 80GB HBM3", 90, std::size_t{85} << 30}, {"Tesla T4", 75, std::size_t{16} << 30}};
  return state;
}

constexpr Device cuda(int index) { return {Device::Kind::cuda, index}; }

}  // namespace

TEST_CASE("a device is named cpu, cuda or cuda:N, and nothing else") {
  CHECK(parse_device("cpu") == Device{});
  CHECK(parse_device("cuda") == cuda(0));
  CHECK(parse_device("cuda:0") == cuda(0));
  CHECK(parse_device("cuda:12") == cuda(12));
  CHECK(cuda(12).str() == "cuda:12");
  CHECK(Device{}.str() == "cpu");
  for (const char* text : {"", "CPU", "tpu", "cuda:", "cuda:-1", "cuda:1x", "cuda: 1", "cuda:99999999999", "cpu:0"})
    CHECK_THROWS_WITH_AS(parse_device(text),
                         fmt::format("[device] '{}'; allowed: cpu, cuda, cuda:N with N = 0, 1, ...", text).c_str(),
                         DeviceError);
}

TEST_CASE("the environment names the device where nobody does") {
  const char* before = std::getenv("WEFT_DEVICE");
  const std::string kept = before ? before : "";
  setenv("WEFT_DEVICE", "cuda:3", 1);
  CHECK(default_device() == "cuda:3");
  unsetenv("WEFT_DEVICE");
  CHECK(default_device() == "cpu");
  if (before) setenv("WEFT_DEVICE", kept.c_str(), 1);
}

TEST_CASE("why a device cannot be used, and what to do") {
  CudaState state = machine();
  CHECK(device_refusal(cuda(0), state) == "");
  CHECK(device_refusal(cuda(2), state) ==
        "[device] 'cuda:2': no such device; allowed: cpu, cuda:0 (NVIDIA H100 80GB HBM3, 85.0 GiB), "
        "cuda:1 (Tesla T4, 16.0 GiB)");
  CHECK(device_refusal(cuda(1), state) ==
        "[device] 'cuda:1': Tesla T4 has compute capability 7.5, this build has code for 8.0 and later; add it to "
        "WEFT_CUDA_ARCHS; allowed: cpu, cuda:0 (NVIDIA H100 80GB HBM3, 85.0 GiB), cuda:1 (Tesla T4, 16.0 GiB)");

  state.devices.clear();
  CHECK(device_refusal(cuda(0), state) ==
        "[device] 'cuda:0': CUDA lists no device: none is visible; is CUDA_VISIBLE_DEVICES set?; allowed: cpu");
  state.failure = "system not yet initialized";
  CHECK(device_refusal(cuda(0), state) ==
        "[device] 'cuda:0': CUDA lists no device: system not yet initialized; is CUDA_VISIBLE_DEVICES set?; "
        "allowed: cpu");
  state.driver = 12020;
  CHECK(device_refusal(cuda(0), state) ==
        "[device] 'cuda:0': the NVIDIA driver knows CUDA 12.2, this build needs 13.0 or later; update the driver; "
        "allowed: cpu");
  state.driver = 0;
  CHECK(device_refusal(cuda(0), state) ==
        "[device] 'cuda:0': no NVIDIA driver was found (libcuda.so.1); install it, or let the container see the GPU; "
        "allowed: cpu");
  CHECK(device_refusal(cuda(0), CudaState{}) ==
        "[device] 'cuda:0': this build has no CUDA (WEFT_CUDA=OFF); build with -DWEFT_CUDA=ON; allowed: cpu");
  CHECK(device_refusal(Device{}, CudaState{}) == "");
}

TEST_CASE("this machine answers, with or without a driver") {
  CHECK_NOTHROW(require_device(Device{}));
  const CudaState& state = cuda_state();
  if (state.devices.empty())
    CHECK_THROWS_WITH_AS(require_device(cuda(0)), device_refusal(cuda(0), state).c_str(), DeviceError);
  CHECK_THROWS_AS(require_device(cuda(1000)), DeviceError);
  if (state.built) CHECK(state.needed >= 12000);
}

TEST_CASE("a full device says what was asked for, what weft has and what is free") {
  const OutOfDeviceMemory error(cuda(1), std::size_t{3} << 29,
                                {std::size_t{78} << 30, 300 << 20, std::size_t{80} << 30});
  CHECK(std::string(error.what()) ==
        "[memory] cuda:1 is full: 1.5 GiB asked for, 78.0 GiB used by weft, 300.0 MiB of 80.0 GiB free; take a smaller "
        "batch");
  CHECK(error.asked == std::size_t{3} << 29);
  CHECK(error.memory.free == 300 << 20);
}

TEST_CASE("bytes are read by people") {
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(1023) == "1023 B");
  CHECK(bytes_text(1024) == "1.0 KiB");
  CHECK(bytes_text((std::size_t{1} << 20) - 1) == "1.0 MiB");  // not 1024.0 KiB
  CHECK(bytes_text(std::size_t{5} << 40) == "5.0 TiB");
}
