#include "weft/tests/fuzz/read_tensors.h"

// As weft reads a .pth file: an archive or the older stream. A pickle alone is put into the archive of one tensor's
// storage, so that the fuzzer need not find the archive's checks again for every change of the pickle.

#include "weft/tests/archives.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    weft::testing::read_tensors(bytes);
  } catch (const weft::FormatError&) {}
  const std::string pickle(reinterpret_cast<const char*>(data), size);
  const std::string archive = archives::zip({{"n/data.pkl", pickle}, {"n/data/0", std::string(64, '\1')}});
  try {
    weft::testing::read_tensors(std::as_bytes(std::span(archive)));
  } catch (const weft::FormatError&) {}
  return 0;
}
