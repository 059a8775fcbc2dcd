#include "weft/core/error.h"
#include "weft/io/gzip.h"
#include "weft/io/idx.h"

// Any bytes, gzip or plain, either parse or throw FormatError; what parses has as many values as its shape says.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weft;
  try {
    const auto bytes = gunzip(std::as_bytes(std::span(data, size)), "input", 1 << 20);
    const Tensor tensor = parse_idx(bytes, "input");
    const auto header = 4 + 4 * static_cast<std::size_t>(tensor.rank());
    if (header + tensor.clone().bytes() != bytes.size()) __builtin_trap();
  } catch (const FormatError&) {}
  return 0;
}
