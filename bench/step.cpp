// Times one training step of the benchmark models:  weft_bench_step [cnn] [inr] [--seconds S]

#include <cstdlib>
#include <exception>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "weft/core/error.h"
#include "weft/nfn/models/step_timing.h"

int main(int argc, char** argv) {
  try {
    std::vector<std::string_view> names;
    double seconds = 10;
    for (int i = 1; i < argc; ++i) {
      const std::string_view argument = argv[i];
      if (argument == "--seconds" && i + 1 < argc)
        seconds = std::atof(argv[++i]);
      else
        names.push_back(argument);
    }
    if (names.empty()) names = {"cnn", "inr"};
    for (std::string_view name : names) fmt::print("{}\n", weft::str(weft::time_step(name, seconds)));
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
