#include <cstring>

#include "weft/io/safetensors.h"
#include "weft/tests/fuzz/read_tensors.h"

// Any bytes either parse or throw FormatError. What parses is read to its last byte, and written again it comes back.
// The reader of all types takes what weft's own takes, and more.

namespace {

void check(bool held) {
  if (!held) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weft;
  std::vector<NamedTensor> tensors;
  Metadata metadata;
  try {
    const auto file = SafeTensors::parse(std::as_bytes(std::span(data, size)), "input");
    for (const auto& name : file.names()) tensors.push_back({name, file.tensor(name).clone()});
    metadata = file.metadata();
  } catch (const FormatError&) {
    try {
      testing::read_tensors(std::as_bytes(std::span(data, size)));
    } catch (const FormatError&) {}
    return 0;
  }
  testing::read_tensors(std::as_bytes(std::span(data, size)));
  for (const auto& [name, tensor] : tensors)
    if (name.empty()) return 0;  // read, but not written
  const auto bytes = safetensors_bytes(tensors, metadata);
  const auto again = SafeTensors::parse(bytes, "again");
  check(again.metadata() == metadata);
  check(again.names().size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const Tensor other = again.tensor(name);
    check(other.dtype() == tensor.dtype() && other.shape() == tensor.shape());
    check(tensor.bytes() == 0 || std::memcmp(other.raw(), tensor.raw(), tensor.bytes()) == 0);
  }
  return 0;
}
