#include "weft/networks/architecture.h"

#include <fmt/format.h>

#include "weft/core/registry.h"
#include "weft/networks/list.h"

namespace weft {

#define WEFT_ARCHITECTURE(name) extern const InputArchitecture name##_architecture;
WEFT_ARCHITECTURES(WEFT_ARCHITECTURE)
#undef WEFT_ARCHITECTURE

std::vector<const InputArchitecture*> input_architectures() {
#define WEFT_ARCHITECTURE(name) &name##_architecture,
  return {WEFT_ARCHITECTURES(WEFT_ARCHITECTURE)};
#undef WEFT_ARCHITECTURE
}

const InputArchitecture& input_architecture(std::string_view name) {
  return named("architecture", name, input_architectures());
}

Settings architecture_settings(std::string_view name, Settings::Given given) {
  return {fmt::format("architecture '{}'", name), input_architecture(name).settings, given};
}

}  // namespace weft
