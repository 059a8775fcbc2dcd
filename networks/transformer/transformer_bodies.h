#pragma once
// The bodies of small transformers on a device (networks/transformer/device_transformer.h), but for attention
// (networks/transformer/attention_bodies.h). Rows are tokens: [networks, batch, tokens, channels]. Where a product with
// a bias reads them, four numbers follow the channels, the first of them 1. Tokens beyond an item's length hold zeros,
// and so do their gradients. nvcc reads it.

#include "weft/networks/population/population_bodies.h"
#include "weft/ops/rows/layer_norm.h"

namespace weft {

struct TokenRows {
  DeviceBatches batches;
  std::int64_t tokens, channels, width;  ///< width: channels padded
};

/// How far every image is moved, in pixels: [networks, batch, 2], down and to the right of where it was.
struct DrawCrops {
  static constexpr const char* name = "draw_crops";
  DeviceBatches batches;
  std::int64_t crop, stream;
  std::int32_t* corners;
};

/// patches[n, place, token, k]: channels, rows, columns of a patch; 1 behind the last of `width`.
struct GatherPatches {
  static constexpr const char* name = "transformer_gather_patches";
  DeviceBatches batches;
  std::int64_t channels, rows, columns, patch, width;
  const std::int32_t* corners;  ///< null: none is moved
  const float* images;          ///< of the data set
  float* patches;
};

/// x[n, place, token] = its word vector, or 0.
struct GatherWords {
  static constexpr const char* name = "transformer_gather_words";
  TokenRows rows;
  const std::int32_t* tokens;  ///< of the data set, [items, rows.tokens]
  const float* words;          ///< [words, channels]
  float* x;
};

/// v = drop(z + positions) + stream; sum = v; y = its layer norm, scales what it was multiplied with.
struct NormRowsOf {
  static constexpr const char* name = "transformer_norm";
  static constexpr int lanes = 32, registers = 64;
  std::int64_t scratch_bytes() const { return 4 * rows.width; }

  TokenRows rows;
  const float *z, *positions, *stream;  ///< positions [tokens, width], stream: null for none
  DropSite dropped;
  float *sum, *y, *scales;  ///< sum: null for none; y: [.., width + 4]
};

/// g = [g +] the gradient gy led back through the layer norm; branch = drop(g).
struct NormVjpRows {
  static constexpr const char* name = "transformer_norm_vjp";
  static constexpr int lanes = 32, registers = 64;
  std::int64_t scratch_bytes() const { return 0; }

  TokenRows rows;
  const float *y, *scales, *gy;  ///< gy: [networks, batch, tokens, width]
  bool of_mean;                  ///< gy is that of the mean over the tokens, [networks, batch, width]
  bool add;
  DropSite dropped;
  float *g, *branch;  ///< g: null for none
};

/// mean[n, place] over the tokens, and 1 behind it.
struct MeanTokens {
  static constexpr const char* name = "transformer_mean_tokens";
  TokenRows rows;
  const float* y;  ///< [.., width + 4]
  float* mean;     ///< [networks, batch, width + 4]
};

/// g = 0 where y is not positive; y has four numbers more in a row.
struct ReluVjpRows {
  static constexpr const char* name = "transformer_relu_vjp";
  std::int64_t width;
  const float* y;
  float* g;
};

/// 1 0 0 0 behind the `width` numbers of every row.
struct OnesBehind {
  static constexpr const char* name = "transformer_ones";
  std::int64_t width;
  float* y;
};

#define WEFT_TRANSFORMER_LOOPS(X) \
  X(DrawCrops) X(GatherPatches) X(GatherWords) X(MeanTokens) X(ReluVjpRows) X(OnesBehind)
#define WEFT_TRANSFORMER_TEAM_LOOPS(X) X(NormRowsOf) X(NormVjpRows)

inline namespace WEFT_ISA {

WEFT_HD void loop_at(const DrawCrops& d, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  const auto place = static_cast<std::uint64_t>(take(rest, d.batches.batch));
  const RandomStream stream = stream_of(d.batches, rest, d.stream);
  for (std::uint64_t side = 0; side < 2; ++side)
    d.corners[2 * i + static_cast<std::int64_t>(side)] =
        static_cast<std::int32_t>(index_of(stream, 2 * place + side, 2 * d.crop + 1) - d.crop);
}

WEFT_HD void loop_at(const GatherPatches& g, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  const std::int64_t k0 = 4 * take(rest, g.width / 4 + 1), across = take(rest, g.columns / g.patch),
                     down = take(rest, g.rows / g.patch), item_place = rest, place = take(rest, g.batches.batch);
  const std::int64_t values = g.channels * g.patch * g.patch;
  const std::int32_t item = item_of(g.batches, rest, place);
  const std::int64_t up = g.corners ? g.corners[2 * item_place] : 0,
                     left = g.corners ? g.corners[2 * item_place + 1] : 0;
  const float* image = g.images + (item < 0 ? 0 : item) * g.channels * g.rows * g.columns;
  Four four;
  for (int j = 0; j < 4; ++j) {
    four.x[j] = k0 + j == g.width ? 1.f : 0.f;
    if (k0 + j >= values || item < 0) continue;
    auto k = static_cast<std::uint32_t>(k0 + j);
    const std::int64_t column = across * g.patch + left + take(k, g.patch),
                       row = down * g.patch + up + take(k, g.patch);
    const bool outside = row < 0 || row >= g.rows || column < 0 || column >= g.columns;
    four.x[j] = outside ? -1.f : image[(k * g.rows + row) * g.columns + column];
  }
  store_four(g.patches + 4 * i, four);
}

WEFT_HD void loop_at(const GatherWords& g, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  const std::int64_t c0 = 4 * take(rest, g.rows.width / 4), t = take(rest, g.rows.tokens),
                     place = take(rest, g.rows.batches.batch);
  const std::int32_t item = item_of(g.rows.batches, rest, place);
  const std::int32_t token = item < 0 ? -1 : g.tokens[item * g.rows.tokens + t];
  Four four;
  for (int j = 0; j < 4; ++j)
    four.x[j] = token >= 0 && c0 + j < g.rows.channels ? g.words[token * g.rows.channels + c0 + j] : 0.f;
  store_four(g.x + 4 * i, four);
}

/// Where row i of [networks, batch, tokens] is.
struct TokenPlace {
  std::int64_t network, item, token, row;  ///< item: of all networks; row: of its network
  bool counts;
};
WEFT_HD TokenPlace token_place(const TokenRows& rows, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  TokenPlace p;
  p.token = take(rest, rows.tokens);
  p.item = rest;
  const std::int64_t place = take(rest, rows.batches.batch);
  p.network = rest;
  p.row = place * rows.tokens + p.token;
  p.counts = p.token < length_of(rows.batches, p.network, rows.tokens);
  return p;
}

template <class Team>
WEFT_HD void loop_row(const NormRowsOf& m, const Team& team, std::int64_t i, void* scratch) {
  const std::int64_t channels = m.rows.channels, width = m.rows.width;
  const TokenPlace p = token_place(m.rows, i);
  float *v = static_cast<float*>(scratch), *y = m.y + i * (width + 4), *sum = m.sum ? m.sum + i * width : nullptr;
  if (!p.counts) {
    team.each(width + 4, [=](std::int64_t c) {
      y[c] = 0;
      if (sum && c < width) sum[c] = 0;
    });
    team.each(1, [=](std::int64_t) { m.scales[i] = 0; });
    return;
  }
  const float *z = m.z + i * width, *positions = m.positions ? m.positions + p.token * width : nullptr,
              *stream = m.stream ? m.stream + i * width : nullptr;
  const Drop drop = drop_of(m.dropped, p.network);
  team.each(width, [=](std::int64_t c) {
    float x = positions ? z[c] + positions[c] : z[c];
    x = drop(p.row * width + c, x);
    if (stream) x += stream[c];
    v[c] = x;
    if (sum) sum[c] = x;
  });
  const LayerNorm::Moments<float> moments = LayerNorm::moments<float>(team, DenseRow<const float>{v}, channels);
  team.each(width + 4, [=](std::int64_t c) {
    const float behind = c == width ? 1.f : 0.f;
    y[c] = c < channels ? moments(v[c]) : behind;
  });
  team.each(1, [=](std::int64_t) { m.scales[i] = moments.scale; });
}

template <class Team>
WEFT_HD void loop_row(const NormVjpRows& m, const Team& team, std::int64_t i, void*) {
  const std::int64_t channels = m.rows.channels, width = m.rows.width;
  const TokenPlace p = token_place(m.rows, i);
  float *g = m.g ? m.g + i * width : nullptr, *branch = m.branch + i * width;
  if (!p.counts) {
    team.each(width, [=](std::int64_t c) {
      branch[c] = 0;
      if (g) g[c] = 0;
    });
    return;
  }
  const float *y = m.y + i * (width + 4), *gy = m.gy + (m.of_mean ? p.item : i) * width;
  const float part = m.of_mean ? 1.f / static_cast<float>(length_of(m.rows.batches, p.network, m.rows.tokens)) : 1.f;
  const float count = static_cast<float>(channels);
  const float mean = part * (team.template sum<float>(channels, [=](std::int64_t c) { return gy[c]; }) / count);
  const float along = part * (team.template sum<float>(channels, [=](std::int64_t c) { return gy[c] * y[c]; }) / count);
  const float scale = m.scales[i];
  const Drop drop = drop_of(m.dropped, p.network);
  const bool add = m.add;
  team.each(width, [=](std::int64_t c) {
    float x = c < channels ? scale * (part * gy[c] - mean - y[c] * along) : 0.f;
    if (add) x += g[c];
    if (g) g[c] = x;
    branch[c] = drop(p.row * width + c, x);
  });
}

WEFT_HD void loop_at(const MeanTokens& m, std::int64_t i) {
  const std::int64_t width = m.rows.width;
  auto rest = static_cast<std::uint32_t>(i);
  const std::int64_t chunk = take(rest, width / 4 + 1), item = rest;
  take(rest, m.rows.batches.batch);
  Four mean{{1, 0, 0, 0}};
  if (4 * chunk < width) {
    const std::int64_t length = length_of(m.rows.batches, rest, m.rows.tokens);
    mean = pairwise_sum<Four>(
        length, [=](std::int64_t t) { return load_four(m.y + (item * m.rows.tokens + t) * (width + 4) + 4 * chunk); });
    for (int j = 0; j < 4; ++j) mean.x[j] /= static_cast<float>(length);
  }
  store_four(m.mean + 4 * i, mean);
}

WEFT_HD void loop_at(const ReluVjpRows& r, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  const std::int64_t chunk = take(rest, r.width / 4), row = rest;
  const Four y = load_four(r.y + row * (r.width + 4) + 4 * chunk);
  Four g = load_four(r.g + 4 * i);
  for (int j = 0; j < 4; ++j) g.x[j] = y.x[j] > 0.f ? g.x[j] : 0.f;
  store_four(r.g + 4 * i, g);
}

WEFT_HD void loop_at(const OnesBehind& o, std::int64_t i) {
  store_four(o.y + i * (o.width + 4) + o.width, Four{{1, 0, 0, 0}});
}

}  // namespace WEFT_ISA
}  // namespace weft
