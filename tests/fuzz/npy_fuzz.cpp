#include "weft/tests/fuzz/read_tensors.h"

// As weft reads an npy or npz file. An array alone is read a second time from a compressed archive.

#include "weft/tests/archives.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    weft::testing::read_tensors(bytes);
  } catch (const weft::FormatError&) {}
  const std::string archive = archives::zip({{"a.npy", {reinterpret_cast<const char*>(data), size}, true}});
  try {
    weft::testing::read_tensors(std::as_bytes(std::span(archive)));
  } catch (const weft::FormatError&) {}
  return 0;
}
