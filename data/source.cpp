#include "weft/data/source.h"

#include <fmt/ranges.h>

#include "weft/core/error.h"
#include "weft/data/list.h"

namespace weft {

#define WEFT_SOURCE(name) extern const DataSource name##_source;
WEFT_DATA_SOURCES(WEFT_SOURCE)
#undef WEFT_SOURCE

std::vector<const DataSource*> data_sources() {
  std::vector<const DataSource*> all;
#define WEFT_SOURCE(name) all.push_back(&name##_source);
  WEFT_DATA_SOURCES(WEFT_SOURCE)
#undef WEFT_SOURCE
  return all;
}

const DataSource& data_source(std::string_view name) {
  std::vector<std::string_view> names;
  for (const DataSource* source : data_sources()) {
    if (source->name == name) return *source;
    names.emplace_back(source->name);
  }
  throw UsageError("[data] '{}'; allowed: {}", name, fmt::join(names, ", "));
}

TrainAndTest first_items(const TrainAndTest& all, const DataRequest& request) {
  const auto first = [](const Dataset& data, std::int64_t items, const char* what) {
    if (items < 1 || items > data.items())
      throw UsageError("[data] {} {} items; '{}' has {}", items, what, data.name, data.items());
    return data.slice(0, items);
  };
  return {first(all.train, request.train, "training"), first(all.test, request.test, "test")};
}

}  // namespace weft
