// The tests of devices, on cuda:0; without it, says how many were skipped and why.

#define DOCTEST_CONFIG_IMPLEMENT
#include <cstdio>
#include <vector>

#include <doctest/doctest.h>

#include "weft/tests/device/device_under_test.h"
#include "weft/tests/device/without_recordings.h"

namespace weft::testing {

Backend& device() { return *backend_of({Device::Kind::cuda, 0}); }

std::shared_ptr<Backend> small_device(std::size_t) { return nullptr; }

std::shared_ptr<Backend> device_without_recordings() { return nullptr; }

bool emulated() { return false; }

std::int64_t many(std::int64_t n) { return n; }

}  // namespace weft::testing

int main(int argc, char** argv) {
  const std::string refusal = weft::device_refusal(weft::parse_device("cuda"), weft::cuda_state());
  if (refusal.empty()) return doctest::Context(argc, argv).run();
  std::vector<const char*> arguments(argv, argv + argc);
  arguments.push_back("--count");
  doctest::Context(static_cast<int>(arguments.size()), arguments.data()).run();
  std::printf("all of them skipped: %s\n", refusal.c_str());
  return 77;
}
