#pragma once
// What a population by definition has of its own beside operations, as bodies for core/loop.h. nvcc reads it.

#include "weft/networks/population/population_bodies.h"

namespace weft {

/// to [networks, batch, numbers]: the items of a step; zeros where there is none.
struct GatherItems {
  static constexpr const char* name = "gather_items";
  DeviceBatches batches;
  const float* from;  ///< [items, numbers]
  std::int64_t numbers;
  float* to;
};

/// y = drop(x), or its vjp: [networks, batch, channels, rows, columns], of which the first of a grid have bytes.
struct DropValues {
  static constexpr const char* name = "drop_values";
  DropSite site;
  std::int64_t batch, channels, rows, columns;
  std::int64_t used_rows, used_columns, width;  ///< width: channels of bytes
  const float* x;
  float* y;
  bool accumulate;
};

/// partial [networks, parts, numbers], whose parts are added up: the first is the gradient [networks, numbers].
struct FirstPart {
  static constexpr const char* name = "first_part";
  std::int64_t parts, numbers;
  const float* gradient;
  float* partial;
};

#define WEFT_DEFINITION_LOOPS(X) X(GatherItems) X(DropValues) X(FirstPart)

inline namespace WEFT_ISA {

WEFT_HD void loop_at(const GatherItems& g, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  const std::int64_t k = take(rest, g.numbers), place = take(rest, g.batches.batch), n = rest;
  const std::int32_t item = item_of(g.batches, n, place);
  g.to[i] = item < 0 ? 0.f : g.from[item * g.numbers + k];
}

WEFT_HD void loop_at(const FirstPart& f, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  const std::int64_t k = take(rest, f.numbers), part = take(rest, f.parts), n = rest;
  f.partial[i] = part == 0 ? f.gradient[n * f.numbers + k] : 0.f;
}

WEFT_HD void loop_at(const DropValues& d, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  const std::int64_t c = take(rest, d.columns), r = take(rest, d.rows), channel = take(rest, d.channels),
                     place = take(rest, d.batch), n = rest;
  // What no later layer reads has no byte, and no gradient either.
  const bool used = r < d.used_rows && c < d.used_columns;
  const std::int64_t at = ((place * d.used_rows + r) * d.used_columns + c) * d.width + channel;
  const float y = used ? drop_of(d.site, n)(at, d.x[i]) : 0.f;
  d.y[i] = d.accumulate ? d.y[i] + y : y;
}

}  // namespace WEFT_ISA
}  // namespace weft
