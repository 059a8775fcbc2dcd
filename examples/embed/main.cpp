// Reads a network file and prints how its weights may move.

#include <cstdio>
#include <exception>

#include "weft/io.h"
#include "weft/weft.h"
#include "weft/zoo.h"

int main(int argc, char** argv) {
  using namespace weft;
  try {
    if (argc != 2) throw UsageError("usage: {} network.safetensors", argv[0]);
    const NetworkFile network = NetworkFile::load(argv[1]);
    std::printf("%lld parameters in %s\n", static_cast<long long>(network.space.parameters()),
                network.space.str().c_str());
    for (const Factor& factor : network.space.factors())
      std::printf("  %s: %s\n", factor.name.c_str(), factor.str().c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
