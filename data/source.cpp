#include "weft/data/source.h"

#include "weft/core/registry.h"
#include "weft/data/list.h"

namespace weft {

#define WEFT_SOURCE(name) extern const DataSource name##_source;
WEFT_DATA_SOURCES(WEFT_SOURCE)
#undef WEFT_SOURCE

std::vector<const DataSource*> data_sources() {
#define WEFT_SOURCE(name) &name##_source,
  return {WEFT_DATA_SOURCES(WEFT_SOURCE)};
#undef WEFT_SOURCE
}

const DataSource& data_source(std::string_view name) { return named("data", name, data_sources()); }

TrainAndTest first_items(const TrainAndTest& all, const DataRequest& request) {
  const auto first = [](const Dataset& data, std::int64_t items, const char* what) {
    if (items < 1 || items > data.items())
      throw UsageError("[data] {} {} items; '{}' has {}", items, what, data.name, data.items());
    return data.slice(0, items);
  };
  return {first(all.train, request.train, "training"), first(all.test, request.test, "test")};
}

}  // namespace weft
