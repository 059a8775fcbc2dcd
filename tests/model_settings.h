#pragma once

#include "weft/nfn/models/reader.h"

namespace weft::testing {

/// Of any kind of model: those of the given settings that it has.
inline Settings of_kind(std::string_view kind, Settings::Given given) {
  Settings settings = model_settings(kind);
  for (const auto& [name, value] : given)
    if (settings.has(name)) settings.set(name, value);
  return settings;
}

}  // namespace weft::testing
