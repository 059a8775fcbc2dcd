// The tests of devices, on an emulated one.

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "weft/tests/device/device_under_test.h"
#include "weft/tests/device/emulated_device.h"
#include "weft/tests/device/without_recordings.h"

namespace weft::testing {

Backend& device() {
  static const std::shared_ptr<Backend> emulated = make_emulated_device();
  return *emulated;
}

std::shared_ptr<Backend> small_device(std::size_t bytes) { return make_emulated_device(bytes); }

std::shared_ptr<Backend> device_without_recordings() { return make_emulated_device(std::size_t{1} << 40, false); }

bool emulated() { return true; }

std::int64_t many(std::int64_t n) { return std::min<std::int64_t>(n, 3000); }

}  // namespace weft::testing
