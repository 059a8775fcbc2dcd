#include "weft/networks/architecture.h"

#include <fmt/ranges.h>

#include "weft/networks/list.h"

namespace weft {

#define WEFT_ARCHITECTURE(name) extern const InputArchitecture name##_architecture;
WEFT_ARCHITECTURES(WEFT_ARCHITECTURE)
#undef WEFT_ARCHITECTURE

std::vector<const InputArchitecture*> input_architectures() {
  std::vector<const InputArchitecture*> all;
#define WEFT_ARCHITECTURE(name) all.push_back(&name##_architecture);
  WEFT_ARCHITECTURES(WEFT_ARCHITECTURE)
#undef WEFT_ARCHITECTURE
  return all;
}

const InputArchitecture& input_architecture(std::string_view name) {
  std::vector<std::string_view> names;
  for (const InputArchitecture* a : input_architectures()) {
    if (a->name == name) return *a;
    names.emplace_back(a->name);
  }
  throw UsageError("[architecture] '{}'; allowed: {}", name, fmt::join(names, ", "));
}

Settings architecture_settings(std::string_view name, Settings::Given given) {
  return {fmt::format("architecture '{}'", name), input_architecture(name).settings, given};
}

}  // namespace weft
