#include "weft/tests/fuzz/mutator.h"
#include "weft/tests/fuzz/states.h"

// Any bytes in the place of a state file: refused, or a training that goes on from there.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weft;
  static testing::DamagedFit fit;
  static testing::DamagedPopulation population;
  try {
    const auto file = SafeTensors::parse(std::as_bytes(std::span(data, size)), "input");
    if (file.contains("fit.counts"))
      fit.read(file);
    else
      population.read(file);
  } catch (const Error&) {}
  return 0;
}
