#include <exception>

#include <fmt/format.h>

#include "weft/bench/harness.h"

int main(int argc, char** argv) {
  try {
    weft::bench::Harness harness(argc, argv);
    weft::bench::derive_cases(harness);
    weft::bench::equivalence_cases(harness);
    weft::bench::file_cases(harness);
    weft::bench::gemm_cases(harness);
    weft::bench::linear_cases(harness);
    weft::bench::math_cases(harness);
    weft::bench::memory_cases(harness);
    weft::bench::population_cases(harness);
    harness.print();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
