#pragma once
// What a population by definition has of its own beside operations, as bodies for core/loop.h. nvcc reads it.

#include "weft/networks/population/population_bodies.h"
#include "weft/nfn/pixel_place.h"

namespace weft {

/// to [networks, batch, channels, rows, columns]: the images of a step; zeros where there is none.
struct GatherItemImages {
  static constexpr const char* name = "gather_item_images";
  DeviceBatches batches;
  const float* from;  ///< [items, channels, rows, columns]
  std::int64_t channels, rows, columns;
  std::int64_t crop, stream;  ///< moved by up to so many pixels, drawn from that stream; -1 comes in
  float* to;
};

/// to [networks, batch, length, channels]: the word vectors of a step; zeros where there is none.
struct GatherItemTexts {
  static constexpr const char* name = "gather_item_texts";
  DeviceBatches batches;
  const std::int32_t* tokens;  ///< [items, length]
  const float* words;          ///< [words, channels]
  std::int64_t length, channels;
  float* to;
};

/// to [networks, batch, 2]: where the pixels of a step lie, row and column, from -1 to 1; zeros where there is none.
struct GatherPixels {
  static constexpr const char* name = "gather_pixels";
  DeviceBatches batches;
  std::int64_t rows, columns;
  float* to;
};

/// The mean over channels of (y - pixel)², of every pixel of a step; in training y becomes its gradient.
struct SquaredErrorRows {
  static constexpr const char* name = "population_squared_error";
  DeviceBatches batches;
  float* y;             ///< [networks, batch, channels]
  const float* images;  ///< [images, channels, pixels]
  std::int64_t channels, pixels;
  float* losses;  ///< [networks, batch]
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

#define WEFT_DEFINITION_LOOPS(X) \
  X(GatherItemImages) X(GatherItemTexts) X(GatherPixels) X(SquaredErrorRows) X(DropValues) X(FirstPart)

inline namespace WEFT_ISA {

WEFT_HD void loop_at(const GatherItemImages& g, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  std::int64_t column = take(rest, g.columns), row = take(rest, g.rows);
  const std::int64_t channel = take(rest, g.channels), place = take(rest, g.batches.batch), n = rest;
  const std::int32_t item = item_of(g.batches, n, place);
  if (g.crop > 0) {
    const RandomStream stream = stream_of(g.batches, n, g.stream);
    const auto side = 2 * static_cast<std::uint64_t>(place);
    row += index_of(stream, side, 2 * g.crop + 1) - g.crop;
    column += index_of(stream, side + 1, 2 * g.crop + 1) - g.crop;
  }
  const bool outside = row < 0 || row >= g.rows || column < 0 || column >= g.columns;
  const float there = outside ? -1.f : 0.f;
  const bool read = item >= 0 && !outside;
  g.to[i] = read ? g.from[((item * g.channels + channel) * g.rows + row) * g.columns + column] : there;
}

WEFT_HD void loop_at(const GatherItemTexts& g, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  const std::int64_t c = take(rest, g.channels), t = take(rest, g.length), place = take(rest, g.batches.batch),
                     n = rest;
  const std::int32_t item = item_of(g.batches, n, place), token = item < 0 ? -1 : g.tokens[item * g.length + t];
  g.to[i] = token < 0 ? 0.f : g.words[token * g.channels + c];
}

WEFT_HD void loop_at(const GatherPixels& g, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  const std::int64_t coordinate = take(rest, 2), place = take(rest, g.batches.batch), n = rest;
  const std::int32_t pixel = item_of(g.batches, n, place);
  const std::int64_t row = pixel / g.columns, column = pixel % g.columns;
  const float at = coordinate == 0 ? pixel_place<float>(row, g.rows) : pixel_place<float>(column, g.columns);
  g.to[i] = pixel < 0 ? 0.f : at;
}

WEFT_HD void loop_at(const SquaredErrorRows& s, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  const std::int64_t place = take(rest, s.batches.batch), n = rest;
  const std::int32_t pixel = item_of(s.batches, n, place);
  float* y = s.y + i * s.channels;
  const float* image = s.images + s.batches.images[n] * s.channels * s.pixels;
  const float share =
      s.batches.shares ? 2 * s.batches.shares[s.batches.steps[n]] / static_cast<float>(s.channels) : 0.f;
  float sum = 0;
  for (std::int64_t c = 0; c < s.channels; ++c) {
    const float error = pixel < 0 ? 0.f : y[c] - image[c * s.pixels + pixel];
    sum = math::fma(error, error, sum);
    if (s.batches.shares) y[c] = share * error;
  }
  s.losses[i] = sum / static_cast<float>(s.channels);
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
