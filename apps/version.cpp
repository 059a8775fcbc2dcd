#include "weft/apps/version.h"

#include <fmt/format.h>

#include "weft/apps/commit.h"
#include "weft/core/device.h"
#include "weft/core/isa.h"

namespace weft::apps {
namespace {

std::string compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

std::string cuda(const CudaState& state) {
  const auto version = [](int number) { return fmt::format("{}.{}", number / 1000, number % 1000 / 10); };
  if (!state.built) return "none in this build";
  return fmt::format("{}; {}", version(state.needed),
                     state.driver == 0 ? "no driver" : fmt::format("driver {}", version(state.driver)));
}

}  // namespace

std::string version_text() {
  const CudaState& state = cuda_state();
  return fmt::format("weft " WEFT_VERSION
                     "\n"
                     "commit           {}\n"
                     "compiler         {}\n"
                     "instruction set  {}\n"
                     "CUDA             {}\n"
                     "devices          {}",
                     commit, compiler(), name(isa()), cuda(state), device_list(state));
}

}  // namespace weft::apps
