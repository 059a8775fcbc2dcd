#include "weft/tests/fuzz/mutator.h"
#include "weft/tests/fuzz/states.h"

// Any bytes in the place of a model or of a network: refused, or one that predicts.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weft;
  try {
    const auto file = SafeTensors::parse(std::as_bytes(std::span(data, size)), "input");
    if (file.metadata().contains("weft.space"))
      NetworkFile::of(NetworkSource::of(TensorFile::parse(std::as_bytes(std::span(data, size)), "input")));
    else
      testing::read_model(file);
  } catch (const Error&) {}
  return 0;
}
