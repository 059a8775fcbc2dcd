#include <cstdint>

#include "weft/tests/fuzz/read_architecture.h"

// As weft reads a text of an architecture, with the network's config behind it.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    weft::testing::read_architecture({reinterpret_cast<const char*>(data), size});
  } catch (const weft::ParseError&) {
  } catch (const weft::FormatError&) {}
  return 0;
}
