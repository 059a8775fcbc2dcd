#include "weft/networks/transformer/transformer_layers.h"

#include <cmath>

#include "weft/core/error.h"
#include "weft/networks/cnn/cnn_kernels.h"

namespace weft {
namespace {

/// A matrix of one tensor as it is, [in, out], or as it multiplies from the left, [out, in].
LinearMap dense(int tensor, int bias, std::int64_t in, std::int64_t out, bool out_first) {
  const MapPart part{.tensor = tensor,
                     .offset = 0,
                     .rows = in,
                     .columns = out,
                     .row_stride = out_first ? 1 : out,
                     .column_stride = out_first ? in : 1,
                     .row = 0,
                     .column = 0};
  return {padded_channels(in), padded_channels(out), {part}, bias};
}

/// WQ WK WV [h, D, Dk] beside each other.
LinearMap queries_keys_values(int first, const TransformerShape& s) {
  const std::int64_t key = padded_channels(s.Dk), value = padded_channels(s.Dv);
  LinearMap map{padded_channels(s.D), s.h * (2 * key + value), {}};
  for (int kind = 0; kind < 3; ++kind)
    for (std::int64_t i = 0; i < s.h; ++i) {
      const std::int64_t size = kind == 2 ? s.Dv : s.Dk;
      map.parts.push_back({.tensor = first + kind,
                           .offset = i * s.D * size,
                           .rows = s.D,
                           .columns = size,
                           .row_stride = size,
                           .column_stride = 1,
                           .row = 0,
                           .column = kind * s.h * key + i * (kind == 2 ? value : key),
                           .scale = kind == 0 ? 1.f / std::sqrt(static_cast<float>(s.Dk)) : 1.f});
    }
  return map;
}

/// WO [h, Dv, D] below each other.
LinearMap heads_output(int tensor, const TransformerShape& s) {
  const std::int64_t value = padded_channels(s.Dv);
  LinearMap map{s.h * value, padded_channels(s.D), {}};
  for (std::int64_t i = 0; i < s.h; ++i)
    map.parts.push_back({.tensor = tensor,
                         .offset = i * s.Dv * s.D,
                         .rows = s.Dv,
                         .columns = s.D,
                         .row_stride = s.D,
                         .column_stride = 1,
                         .row = i * value,
                         .column = 0});
  return map;
}

}  // namespace

std::int64_t padded_channels(std::int64_t channels) {
  return (channels + channel_lanes - 1) / channel_lanes * channel_lanes;
}

Space TransformerArchitecture::space() const {
  const auto& s = shape;
  if (s.D < 1 || s.D_A < 1 || s.h < 1 || s.Dk < 1 || s.Dv < 1 || hidden < 1 || classes < 1 || crop < 0 ||
      pad_batch < 0 || tokens() < 1)
    throw UsageError(
        "[transformer_population] D {}, D_A {}, {} heads of {} and {}, hidden {}, {} classes, crop {}, "
        "padding by {}, {} tokens; allowed: 1 or more, of crop and padding 0 or more",
        s.D, s.D_A, s.h, s.Dk, s.Dv, hidden, classes, crop, pad_batch, tokens());
  if (patch > 0 && (image_rows % patch || image_columns % patch))
    throw UsageError("[transformer_population] patches of {0}x{0} on images of {1}x{2}; the side must divide both",
                     patch, image_rows, image_columns);
  return transformer_network_space(shape, {patch_values(), hidden, classes}, residual);
}

std::int64_t TransformerArchitecture::tokens() const {
  return patch > 0 ? (image_rows / patch) * (image_columns / patch) : length;
}

Shape TransformerArchitecture::item() const {
  return patch > 0 ? Shape{channels, image_rows, image_columns} : Shape{length, shape.D};
}

Tensor TransformerArchitecture::positions() const {
  const Tensor all = Tensor::zeros({tokens(), shape.D}, DType::f32);
  for (std::int64_t t = 0; t < tokens(); ++t)
    for (std::int64_t c = 0; c < shape.D; ++c) {
      const double angle =
          static_cast<double>(t) / std::pow(10000., static_cast<double>(c / 2 * 2) / static_cast<double>(shape.D));
      all.data<float>()[t * shape.D + c] = static_cast<float>(c % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  return all;
}

TransformerMaps::TransformerMaps(const TransformerArchitecture& a) {
  int tensor = 0;
  auto add = [&](LinearMap map) {
    maps.push_back(std::move(map));
    return static_cast<int>(maps.size()) - 1;
  };
  const TransformerShape& s = a.shape;
  if (a.patch > 0) {
    embedding = add(dense(0, 1, a.patch_values(), s.D, false));
    tensor = 2;
  }
  for (int b = 0; b < s.blocks; ++b, tensor += 8)  // WQ WK WV WO WA bA WB bB
    blocks.push_back({add(queries_keys_values(tensor, s)), add(heads_output(tensor + 3, s)),
                      add(dense(tensor + 4, tensor + 5, s.D, s.D_A, false)),
                      add(dense(tensor + 6, tensor + 7, s.D_A, s.D, false))});
  first = add(dense(tensor, tensor + 1, s.D, a.hidden, true));
  second = add(dense(tensor + 2, tensor + 3, a.hidden, a.classes, true));
}

}  // namespace weft
