#pragma once
// Registries: what there is many of is a file each, and a line in a list (docs/architecture.md, "What an addition
// touches"). Here is how one of them is found by its name.

#include <string>
#include <string_view>
#include <vector>

#include "weft/core/error.h"

namespace weft {

/// Throws UsageError naming those there are: "[task] 'beauty'; allowed: accuracy, generalisation-gap".
template <class T>
const T& named(std::string_view what, std::string_view name, const std::vector<const T*>& all) {
  std::string names;
  for (const T* one : all) {
    if (one->name == name) return *one;
    names += std::string(names.empty() ? "" : ", ") + one->name;
  }
  throw UsageError("[{}] '{}'; allowed: {}", what, name, names);
}

}  // namespace weft
