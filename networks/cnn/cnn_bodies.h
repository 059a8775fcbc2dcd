#pragma once
// The bodies of small convolutional networks on a device (networks/cnn/device_cnn.h): convolutions are products with
// columns, which the first two bodies gather and FoldColumns adds up again. nvcc reads it.

#include "weft/networks/population/population_bodies.h"

namespace weft {

/// A convolution without padding: positions of its input that count, and of its output.
struct CnnGrid {
  std::int64_t kernel, stride, in_rows, in_columns, rows, columns;
};

/// An activation's value and dropout, or what leads back through them.
struct CnnActivation {
  DropSite dropped;
  bool is_tanh;  ///< else ReLU
};

/// columns[n, place, r, c, k] = the pixel of plane k / taps under tap k % taps; 1 behind the last, which meets the
/// bias; 0 beyond.
struct GatherImages {
  static constexpr const char* name = "cnn_gather_images";
  DeviceBatches batches;
  CnnGrid grid;
  std::int64_t channels, stride;  ///< stride: numbers of a row, a multiple of 4
  const float* images;            ///< of the data set
  float* columns;
};

/// columns[n, place, r, c, tap, channel] of the layer before, and 1 behind the last.
struct GatherColumns {
  static constexpr const char* name = "cnn_gather_columns";
  CnnGrid grid;
  std::int64_t width;  ///< channels; the stride of a row is taps width + 4
  const float* x;      ///< [networks, batch, in_rows, in_columns, width]
  float* columns;
};

/// y = drop(act(y))
struct ActivateRows {
  static constexpr const char* name = "cnn_activate";
  CnnActivation activation;
  std::int64_t numbers;  ///< of a network
  float* y;
};

/// The same, and the mean over the positions, with 1 behind it.
struct ActivateMean {
  static constexpr const char* name = "cnn_activate_mean";
  CnnActivation activation;
  std::int64_t batch, positions, width;
  float* y;
  float* mean;  ///< [networks, batch, width + 4]
};

/// y becomes its own gradient, from that of the mean: [networks, batch, width].
struct SpreadMean {
  static constexpr const char* name = "cnn_spread_mean";
  CnnActivation activation;
  std::int64_t batch, positions, width;
  const float* mean;
  float* y;
};

/// y becomes its own gradient, from that of the columns gathered from it.
struct FoldColumns {
  static constexpr const char* name = "cnn_fold_columns";
  CnnActivation activation;
  CnnGrid grid;
  std::int64_t batch, width;
  const float* columns;
  float* y;  ///< [networks, batch, in_rows, in_columns, width]
};

#define WEFT_CNN_LOOPS(X) X(GatherImages) X(GatherColumns) X(ActivateRows) X(ActivateMean) X(SpreadMean) X(FoldColumns)

inline namespace WEFT_ISA {

WEFT_HD void loop_at(const GatherImages& g, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  const std::int64_t k0 = 4 * take(rest, g.stride / 4), c = take(rest, g.grid.columns), r = take(rest, g.grid.rows),
                     place = take(rest, g.batches.batch), n = rest;
  const std::int64_t kernel = g.grid.kernel, taps = kernel * kernel, values = g.channels * taps;
  const std::int32_t item = item_of(g.batches, n, place);
  const float* image = g.images + (item < 0 ? 0 : item) * g.channels * g.grid.in_rows * g.grid.in_columns;
  Four four;
  for (int j = 0; j < 4; ++j) {
    auto k = static_cast<std::uint32_t>(k0 + j);
    four.x[j] = k0 + j == values ? 1.f : 0.f;
    if (k0 + j >= values || item < 0) continue;
    const std::int64_t across = take(k, kernel), down = take(k, kernel), plane = k;
    four.x[j] =
        image[(plane * g.grid.in_rows + r * g.grid.stride + down) * g.grid.in_columns + c * g.grid.stride + across];
  }
  store_four(g.columns + 4 * i, four);
}

WEFT_HD void loop_at(const GatherColumns& g, std::int64_t i) {
  const std::int64_t kernel = g.grid.kernel, chunks = g.width / 4;
  auto rest = static_cast<std::uint32_t>(i);
  auto k = static_cast<std::uint32_t>(take(rest, kernel * kernel * chunks + 1));
  const std::int64_t c = take(rest, g.grid.columns), r = take(rest, g.grid.rows), item = rest;
  Four four{{1, 0, 0, 0}};
  if (k < kernel * kernel * chunks) {
    const std::int64_t chunk = take(k, chunks), across = take(k, kernel), down = k;
    const std::int64_t row =
        (item * g.grid.in_rows + r * g.grid.stride + down) * g.grid.in_columns + c * g.grid.stride + across;
    four = load_four(g.x + row * g.width + 4 * chunk);
  }
  store_four(g.columns + 4 * i, four);
}

WEFT_HD float activated(bool is_tanh, float z) { return is_tanh ? math::tanh(z) : z < 0.f ? 0.f : z; }

/// The gradient at y = drop(act(z)) led back to z. ReLU needs no bytes: a positive y was kept.
WEFT_HD float led_back(bool is_tanh, const Drop& drop, std::int64_t at, float y, float g) {
  if (!is_tanh) return y > 0.f ? drop.scale * g : 0.f;
  if (drop.threshold == 0) return g * (1.f - y * y);
  const float t = y / drop.scale;
  return drop.keeps(at) ? drop.scale * g * (1.f - t * t) : 0.f;
}

WEFT_HD Four activate_four(bool is_tanh, const Drop& drop, std::int64_t at, Four v) {
  for (int j = 0; j < 4; ++j) v.x[j] = drop(at + j, activated(is_tanh, v.x[j]));
  return v;
}

WEFT_HD Four lead_back_four(bool is_tanh, const Drop& drop, std::int64_t at, const Four& y, Four g) {
  for (int j = 0; j < 4; ++j) g.x[j] = led_back(is_tanh, drop, at + j, y.x[j], g.x[j]);
  return g;
}

WEFT_HD void loop_at(const ActivateRows& a, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  const std::int64_t at = 4 * take(rest, a.numbers / 4), n = rest;
  float* y = a.y + 4 * i;
  store_four(y, activate_four(a.activation.is_tanh, drop_of(a.activation.dropped, n), at, load_four(y)));
}

WEFT_HD void loop_at(const ActivateMean& a, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  const std::int64_t chunk = take(rest, a.width / 4 + 1);
  const std::int64_t item = rest, place = take(rest, a.batch), n = rest;
  Four mean{{1, 0, 0, 0}};
  if (4 * chunk < a.width) {
    const Drop drop = drop_of(a.activation.dropped, n);
    mean = pairwise_sum<Four>(a.positions, [=](std::int64_t p) {
      float* y = a.y + (item * a.positions + p) * a.width + 4 * chunk;
      const std::int64_t at = (place * a.positions + p) * a.width + 4 * chunk;
      const Four v = activate_four(a.activation.is_tanh, drop, at, load_four(y));
      store_four(y, v);
      return v;
    });
    for (int j = 0; j < 4; ++j) mean.x[j] /= static_cast<float>(a.positions);
  }
  store_four(a.mean + 4 * i, mean);
}

WEFT_HD void loop_at(const SpreadMean& s, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  const std::int64_t chunk = take(rest, s.width / 4), p = take(rest, s.positions), item = rest,
                     place = take(rest, s.batch), n = rest;
  const float share = 1.f / static_cast<float>(s.positions);
  Four g = load_four(s.mean + item * s.width + 4 * chunk);
  for (int j = 0; j < 4; ++j) g.x[j] *= share;
  float* y = s.y + 4 * i;
  const std::int64_t at = (place * s.positions + p) * s.width + 4 * chunk;
  store_four(y, lead_back_four(s.activation.is_tanh, drop_of(s.activation.dropped, n), at, load_four(y), g));
}

WEFT_HD void loop_at(const FoldColumns& f, std::int64_t i) {
  const CnnGrid& grid = f.grid;
  auto rest = static_cast<std::uint32_t>(i);
  const std::int64_t chunk = take(rest, f.width / 4), x = take(rest, grid.in_columns), y = take(rest, grid.in_rows);
  const std::int64_t item = rest, place = take(rest, f.batch), n = rest;
  const std::int64_t row_stride = grid.kernel * grid.kernel * f.width + 4;
  Four sum{};
  // Tap (down, across) joins input (y, x) to output (r, c) with y = r stride + down, x = c stride + across.
  for (std::int64_t down = 0; down < grid.kernel; ++down) {
    auto r = static_cast<std::uint32_t>(y - down);
    if (y < down || take(r, grid.stride) != 0 || r >= grid.rows) continue;
    for (std::int64_t across = 0; across < grid.kernel; ++across) {
      auto c = static_cast<std::uint32_t>(x - across);
      if (x < across || take(c, grid.stride) != 0 || c >= grid.columns) continue;
      const std::int64_t row = (item * grid.rows + r) * grid.columns + c, tap = down * grid.kernel + across;
      const Four g = load_four(f.columns + row * row_stride + tap * f.width + 4 * chunk);
      for (int j = 0; j < 4; ++j) sum.x[j] += g.x[j];
    }
  }
  float* to = f.y + 4 * i;
  const std::int64_t at = ((place * grid.in_rows + y) * grid.in_columns + x) * f.width + 4 * chunk;
  store_four(to, lead_back_four(f.activation.is_tanh, drop_of(f.activation.dropped, n), at, load_four(to), sum));
}

}  // namespace WEFT_ISA
}  // namespace weft
