// Makes the command line's cuda:0 the emulated device: linked with the sources of apps/. With
// WEFT_EMULATED_NO_RECORDING in the environment it refuses to record.

#include <cstdlib>

#include "weft/tests/device/emulated_device.h"

namespace {

[[maybe_unused]] const bool replaced = [] {
  weft::replace_backend(
      {weft::Device::Kind::cuda, 0},
      weft::testing::make_emulated_device(std::size_t{1} << 40, !std::getenv("WEFT_EMULATED_NO_RECORDING")));
  return true;
}();

}  // namespace
