// Makes the command line's cuda:0 the emulated device: linked with the sources of apps/.

#include "weft/tests/device/emulated_device.h"

namespace {

[[maybe_unused]] const bool replaced = [] {
  weft::replace_backend({weft::Device::Kind::cuda, 0}, weft::testing::make_emulated_device());
  return true;
}();

}  // namespace
