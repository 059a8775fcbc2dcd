#include "weft/networks/cnn/cnn_layers.h"

#include <algorithm>
#include <map>

#include "weft/core/error.h"
#include "weft/ops/pointwise.h"

namespace weft {
namespace {

std::int64_t padded(std::int64_t channels) { return (channels + channel_lanes - 1) / channel_lanes * channel_lanes; }
std::int32_t narrow(std::int64_t offset) { return static_cast<std::int32_t>(offset); }

/// What all layers share.
struct Common {
  std::int64_t group, stride;
};

void add_classes(CnnLayer& layer, Common common, std::int64_t kernel, std::int64_t in_rows, std::int64_t in_columns,
                 std::int64_t rows, std::int64_t columns) {
  // Tap (i, j) joins input (y, x) to output (o, p) with y = o stride + i, x = p stride + j.
  const std::int64_t stride = common.stride;
  struct Reached {
    std::vector<TapRun> runs;
    std::vector<std::int32_t> x, y;
  };
  std::map<std::vector<std::int32_t>, Reached> classes;  // by their taps
  for (std::int64_t y = 0; y < in_rows; ++y)
    for (std::int64_t x = 0; x < in_columns; ++x) {
      std::vector<std::int32_t> taps;
      std::vector<std::int64_t> offsets;
      for (std::int64_t i = 0; i < kernel; ++i)
        for (std::int64_t j = 0; j < kernel; ++j) {
          const std::int64_t o = (y - i) / stride, p = (x - j) / stride;
          if (y < i || x < j || o >= rows || p >= columns || o * stride != y - i || p * stride != x - j) continue;
          taps.push_back(narrow(i * kernel + j));
          offsets.push_back((o * columns + p) * layer.width);
        }
      Reached& reached = classes[taps];
      const std::int64_t base = offsets.empty() ? 0 : offsets[0];
      if (reached.x.empty())
        for (std::size_t t = 0; t < taps.size(); ++t)
          reached.runs.push_back({narrow(offsets[t] - base), narrow(taps[t] * layer.out)});
      reached.x.push_back(narrow(base));
      reached.y.push_back(narrow((y * in_columns + x) * layer.in_width));
    }
  for (auto& [taps, reached] : classes) {
    CnnInputClass c{static_cast<std::int64_t>(reached.x.size()), std::move(reached.runs), {}, {}};
    for (std::int64_t n = 0; n < common.group; ++n)
      for (std::size_t i = 0; i < reached.x.size(); ++i) {
        c.x_offsets.push_back(narrow(n * layer.positions * layer.width + reached.x[i]));
        c.y_offsets.push_back(narrow(n * layer.item + reached.y[i]));
      }
    layer.classes.push_back(std::move(c));
  }
}

CnnLayer make_layer(Common common, std::int64_t in, std::int64_t out, bool image, std::int64_t kernel,
                    std::int64_t in_rows, std::int64_t in_columns, std::int64_t rows, std::int64_t columns) {
  CnnLayer layer{.taps = kernel * kernel,
                 .in = in,
                 .out = out,
                 .width = padded(out),
                 .in_width = image ? 0 : padded(in),
                 .positions = rows * columns,
                 .item = in_rows * in_columns * (image ? in : padded(in)),
                 .length = kernel * (image ? 1 : padded(in)),
                 .runs = {},
                 .x_offsets = {},
                 .y_offsets = {},
                 .classes = {},
                 .grid = {kernel, common.stride, in_rows, in_columns, rows, columns}};
  // One run per row of the kernel: on the image's planes (channels slowest), or on positions of all channels.
  const std::int64_t step = image ? 1 : layer.in_width;
  for (std::int64_t plane = 0; plane < (image ? in : 1); ++plane)
    for (std::int64_t i = 0; i < kernel; ++i)
      layer.runs.push_back({narrow((plane * in_rows + i) * in_columns * step),
                            narrow(static_cast<std::int64_t>(layer.runs.size()) * layer.length)});
  for (std::int64_t n = 0; n < common.group; ++n)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) {
        layer.y_offsets.push_back(narrow(static_cast<std::int64_t>(layer.y_offsets.size()) * layer.width));
        layer.x_offsets.push_back(narrow(n * layer.item + (r * in_columns + c) * common.stride * step));
      }
  if (!image) add_classes(layer, common, kernel, in_rows, in_columns, rows, columns);
  return layer;
}

}  // namespace

Space CnnArchitecture::space() const {
  if (activation != UnaryOp::Relu && activation != UnaryOp::Tanh)
    throw UsageError("[cnn_population] activation {}; allowed: relu, tanh", traits(activation).name);
  std::vector<std::array<std::int64_t, 2>> taps;
  for (std::int64_t side : kernels) taps.push_back({side, side});
  taps.push_back({1, 1});
  return cnn_space(widths, taps,
                   activation == UnaryOp::Relu ? FactorKind::positive_monomial : FactorKind::sign_monomial);
}

CnnLayers cnn_layers(const CnnArchitecture& architecture) {
  const auto& [image_rows, image_columns, widths, kernels, stride, activation] = architecture;
  const std::size_t convolutions = kernels.size();
  if (stride < 1) throw UsageError("[cnn_population] stride {}; allowed: 1 or more", stride);
  // Sizes forward, then back again: what a layer reads of its input is all that the layer before it has to make.
  std::vector<std::int64_t> rows{image_rows}, columns{image_columns};
  for (std::size_t i = 0; i < convolutions; ++i) {
    if (kernels[i] < 1 || kernels[i] > std::min(rows[i], columns[i]))
      throw UsageError("[cnn_population] a kernel of {0}x{0} on {1}x{2} positions in layer {3}", kernels[i], rows[i],
                       columns[i], i + 1);
    rows.push_back((rows[i] - kernels[i]) / stride + 1);
    columns.push_back((columns[i] - kernels[i]) / stride + 1);
  }
  for (std::size_t i = convolutions; i-- > 1;) {
    rows[i] = (rows[i + 1] - 1) * stride + kernels[i];
    columns[i] = (columns[i + 1] - 1) * stride + kernels[i];
  }
  std::int64_t values = 2 * widths[0] * image_rows * image_columns;
  for (std::size_t i = 0; i < convolutions; ++i) values += 2 * padded(widths[i + 1]) * rows[i + 1] * columns[i + 1];
  CnnLayers all;
  all.group = std::max<std::int64_t>(1, 512 * 1024 / (4 * values));  // activations and cotangents stay in cache
  for (std::size_t i = 0; i < convolutions; ++i)
    all.layers.push_back(make_layer({all.group, stride}, widths[i], widths[i + 1], i == 0, kernels[i], rows[i],
                                    columns[i], rows[i + 1], columns[i + 1]));
  all.layers.push_back(
      make_layer({all.group, stride}, widths[convolutions], widths[convolutions + 1], false, 1, 1, 1, 1, 1));
  return all;
}

}  // namespace weft
