// Forward and backward of a group of items through one network.

#include <algorithm>

#include "weft/networks/transformer/transformer_scratch.h"

namespace weft {
namespace {

/// y = [y +] x W (+ b)
RowsProduct through(const LinearMap& map, const float* w, std::int64_t rows, const float* x, float* y) {
  return {.rows = rows,
          .depth = map.in,
          .width = map.out,
          .x = x,
          .x_stride = map.in,
          .w = w,
          .w_stride = map.out,
          .y = y,
          .y_stride = map.out};
}

}  // namespace

/// patches or word vectors -> x
void TransformerPopulation::embed(const Step& step) const {
  const auto& [s, batch, dropout, first, count, training] = step;
  const auto& a = architecture_;
  const std::int64_t T = s.tokens, D = padded_channels(a.shape.D);
  for (std::int64_t n = 0; n < count; ++n) std::copy_n(positions_.data(), T * D, s.x + n * T * D);
  if (a.patch == 0) {
    const float* vectors = batch.data.word_vectors.data<float>();
    for (std::int64_t n = 0; n < count; ++n) {
      const std::int32_t* text =
          batch.data.tokens.data<std::int32_t>() + batch.items[static_cast<std::size_t>(first + n)] * a.length;
      for (std::int64_t t = 0; t < T; ++t)
        if (text[t] >= 0) s.kernels.add(s.x + (n * T + t) * D, vectors + text[t] * a.shape.D, a.shape.D);
    }
    return;
  }
  const LinearMap& map = maps_.maps[static_cast<std::size_t>(maps_.embedding)];
  const Scratch::Map& at = s.maps[static_cast<std::size_t>(maps_.embedding)];
  const RandomKey key = dropout.key.at("crop");
  for (std::int64_t n = 0; n < count; ++n) {
    const float* image = batch.data.images.data<float>() + batch.items[static_cast<std::size_t>(first + n)] *
                                                               (a.channels * a.image_rows * a.image_columns);
    std::int64_t up = 0, left = 0;  // of the crop's corner in the image
    if (training && a.crop > 0) {
      const auto i = static_cast<std::uint64_t>(first + n);
      up = uniform_index(key, 2 * i, 2 * a.crop + 1) - a.crop;
      left = uniform_index(key, 2 * i + 1, 2 * a.crop + 1) - a.crop;
    }
    const std::int64_t across = a.image_columns / a.patch;
    for (std::int64_t t = 0; t < T; ++t) {
      float* to = s.patches + (n * T + t) * map.in;
      const std::int64_t row0 = t / across * a.patch + up, column0 = t % across * a.patch + left;
      for (std::int64_t c = 0; c < a.channels; ++c)
        for (std::int64_t row = row0; row < row0 + a.patch; ++row) {
          const float* from = image + (c * a.image_rows + row) * a.image_columns;
          if (row < 0 || row >= a.image_rows || column0 < 0 || column0 + a.patch > a.image_columns)
            for (std::int64_t column = column0; column < column0 + a.patch; ++column)
              *to++ = row < 0 || row >= a.image_rows || column < 0 || column >= a.image_columns ? -1.f : from[column];
          else
            to = std::copy_n(from + column0, a.patch, to);
        }
    }
  }
  RowsProduct product = through(map, at.w, count * T, s.patches, s.x);
  product.bias = at.bias;
  product.add = true;
  s.products.product(product);
}

/// qkv -> scores, heads
void TransformerPopulation::attend(const Scratch& s, std::size_t block, std::int64_t count) const {
  const auto& [D, D_A, h, Dk, Dv, blocks] = architecture_.shape;
  const std::int64_t T = s.tokens, Tp = s.queries, K = padded_channels(Dk), V = padded_channels(Dv);
  const std::int64_t width = h * (2 * K + V), out = h * V;
  const Scratch::Block& at = s.blocks[block];
  for (std::int64_t n = 0; n < count; ++n)
    for (std::int64_t i = 0; i < h; ++i) {
      const float *q = at.qkv + n * T * width + i * K, *k = q + h * K, *v = at.qkv + n * T * width + 2 * h * K + i * V;
      float* scores = at.scores + (n * h + i) * T * Tp;
      s.common.transpose(q, width, K, T, s.turned, Tp);
      s.products.product({.rows = T,
                          .depth = Dk,
                          .width = Tp,
                          .x = k,
                          .x_stride = width,
                          .w = s.turned,
                          .w_stride = Tp,
                          .y = scores,
                          .y_stride = Tp});
      s.kernels.softmax(T, Tp, scores);
      s.products.gradient({.rows = T,
                           .depth = T,
                           .width = V,
                           .x = scores,
                           .x_stride = Tp,
                           .y = v,
                           .y_stride = width,
                           .g = at.heads + n * T * out + i * V,
                           .g_stride = out});
    }
}

/// gheads -> gqkv
void TransformerPopulation::attend_backward(const Scratch& s, std::size_t block, std::int64_t count) const {
  const auto& [D, D_A, h, Dk, Dv, blocks] = architecture_.shape;
  const std::int64_t T = s.tokens, Tp = s.queries, K = padded_channels(Dk), V = padded_channels(Dv);
  const std::int64_t width = h * (2 * K + V), out = h * V;
  const Scratch::Block& at = s.blocks[block];
  for (std::int64_t n = 0; n < count; ++n)
    for (std::int64_t i = 0; i < h; ++i) {
      const std::int64_t to_q = n * T * width + i * K, to_k = to_q + h * K, to_v = n * T * width + 2 * h * K + i * V;
      const float *scores = at.scores + (n * h + i) * T * Tp, *g = s.gheads + n * T * out + i * V;
      s.common.transpose(g, out, V, T, s.turned, Tp);
      s.products.product({.rows = T,
                          .depth = Dv,
                          .width = Tp,
                          .x = at.qkv + to_v,
                          .x_stride = width,
                          .w = s.turned,
                          .w_stride = Tp,
                          .y = s.gscores,
                          .y_stride = Tp});
      s.kernels.softmax_vjp(T, Tp, scores, s.gscores);
      auto by_queries = [&](const float* x, const float* w, std::int64_t stride, std::int64_t columns, float* y) {
        s.products.product({.rows = T,
                            .depth = T,
                            .width = columns,
                            .x = x,
                            .x_stride = Tp,
                            .w = w,
                            .w_stride = stride,
                            .y = y,
                            .y_stride = width});
      };
      by_queries(scores, g, out, V, s.gqkv + to_v);
      by_queries(s.gscores, at.qkv + to_q, width, K, s.gqkv + to_k);
      s.products.gradient({.rows = T,
                           .depth = T,
                           .width = K,
                           .x = s.gscores,
                           .x_stride = Tp,
                           .y = at.qkv + to_k,
                           .y_stride = width,
                           .g = s.gqkv + to_q,
                           .g_stride = width});
    }
}

void TransformerPopulation::forward(const Step& step) const {
  const Scratch& s = step.s;
  const std::int64_t T = s.tokens, rows = step.count * T, D = padded_channels(architecture_.shape.D);
  const NormRows norm{rows, architecture_.shape.D, D};
  const DropoutScale drop(step.dropout.rate);
  auto apply = [&](int map, std::int64_t count, const float* x, float* y, bool relu) {
    const Scratch::Map& at = s.maps[static_cast<std::size_t>(map)];
    RowsProduct product = through(maps_.maps[static_cast<std::size_t>(map)], at.w, count, x, y);
    product.bias = at.bias;
    product.relu = relu;
    s.products.product(product);
  };
  auto drop_out = [&](std::size_t site, float* x) {
    if (!step.training || drop.threshold == 0) return;
    const RandomKey key = step.dropout.key.at(static_cast<std::uint64_t>(site));
    s.common.random_words({key.seed, key.purpose, static_cast<std::uint64_t>(step.first * T * D / channel_lanes)},
                          rows * D / channel_lanes, s.words[site]);
    s.common.drop(x, bytes_of(s.words[site]), drop.threshold, drop.scale, rows * D);
  };

  embed(step);
  drop_out(0, s.x);
  for (std::size_t b = 0; b < s.blocks.size(); ++b) {
    const Scratch::Block& at = s.blocks[b];
    const TransformerMaps::Block& map = maps_.blocks[b];
    s.kernels.layer_norm(norm, s.x, at.x, at.x_scales);
    apply(map.qkv, rows, at.x, at.qkv, false);
    attend(s, b, step.count);
    apply(map.o, rows, at.heads, s.attended, false);
    drop_out(1 + 2 * b, s.attended);
    if (architecture_.residual) s.kernels.add(s.attended, s.x, rows * D);
    s.kernels.layer_norm(norm, s.attended, at.y, at.y_scales);
    apply(map.a, rows, at.y, at.hidden, true);
    apply(map.b, rows, at.hidden, s.x, false);
    drop_out(2 + 2 * b, s.x);
    if (architecture_.residual) s.kernels.add(s.x, s.attended, rows * D);
  }
  s.kernels.layer_norm(norm, s.x, s.last, s.last_scales);
  std::fill_n(s.pooled, step.count * D, 0.f);
  for (std::int64_t n = 0; n < step.count; ++n) s.products.column_sums(T, D, s.last + n * T * D, D, s.pooled + n * D);
  for (std::int64_t i = 0; i < step.count * D; ++i) s.pooled[i] /= static_cast<float>(T);
  apply(maps_.first, step.count, s.pooled, s.dense, true);
  apply(maps_.second, step.count, s.dense, s.logits, false);
}

/// From the cotangent of the logits, which stands in their place.
void TransformerPopulation::backward(const Step& step) const {
  const Scratch& s = step.s;
  const std::int64_t T = s.tokens, rows = step.count * T, D = padded_channels(architecture_.shape.D);
  const NormRows norm{rows, architecture_.shape.D, D};
  const DropoutScale drop(step.dropout.rate);
  const bool residual = architecture_.residual;
  // Of a map's weights, and of its input unless gx is null.
  auto back = [&](int map, std::int64_t count, const float* x, const float* gy, float* gx) {
    const Scratch::Map& at = s.maps[static_cast<std::size_t>(map)];
    const LinearMap& shape = maps_.maps[static_cast<std::size_t>(map)];
    s.products.gradient({.rows = count,
                         .depth = shape.in,
                         .width = shape.out,
                         .x = x,
                         .x_stride = shape.in,
                         .y = gy,
                         .y_stride = shape.out,
                         .g = at.gw,
                         .g_stride = shape.out,
                         .add = true});
    if (shape.bias >= 0) s.products.column_sums(count, shape.out, gy, shape.out, at.gb);
    if (!gx) return;
    s.products.product({.rows = count,
                        .depth = shape.out,
                        .width = shape.in,
                        .x = gy,
                        .x_stride = shape.out,
                        .w = at.back,
                        .w_stride = shape.in,
                        .y = gx,
                        .y_stride = shape.in});
  };
  auto drop_out = [&](std::size_t site, float* g) {
    if (drop.threshold > 0) s.common.drop(g, bytes_of(s.words[site]), drop.threshold, drop.scale, rows * D);
  };
  /// gx through dropout, past the stream.
  auto branch = [&](std::size_t site) {
    float* g = s.gx;
    if (residual) std::copy_n(s.gx, rows * D, g = s.branch);
    drop_out(site, g);
    return g;
  };

  back(maps_.second, step.count, s.dense, s.logits, s.gdense);
  s.common.relu_vjp(s.dense, 1.f, s.gdense, step.count * maps_.maps[static_cast<std::size_t>(maps_.first)].out);
  back(maps_.first, step.count, s.pooled, s.gdense, s.gpooled);
  for (std::int64_t i = 0; i < step.count * D; ++i) s.gpooled[i] /= static_cast<float>(T);
  for (std::int64_t n = 0; n < step.count; ++n)
    s.kernels.layer_norm_vjp({T, norm.channels, D}, s.last + n * T * D, s.last_scales + n * T, s.gpooled + n * D, 0,
                             s.gx + n * T * D, false);
  for (std::size_t b = s.blocks.size(); b-- > 0;) {
    const Scratch::Block& at = s.blocks[b];
    const TransformerMaps::Block& map = maps_.blocks[b];
    back(map.b, rows, at.hidden, branch(2 + 2 * b), s.ghidden);
    s.common.relu_vjp(at.hidden, 1.f, s.ghidden, rows * maps_.maps[static_cast<std::size_t>(map.a)].out);
    back(map.a, rows, at.y, s.ghidden, s.narrow);
    s.kernels.layer_norm_vjp(norm, at.y, at.y_scales, s.narrow, D, s.gx, residual);
    back(map.o, rows, at.heads, branch(1 + 2 * b), s.gheads);
    attend_backward(s, b, step.count);
    back(map.qkv, rows, at.x, s.gqkv, s.narrow);
    s.kernels.layer_norm_vjp(norm, at.x, at.x_scales, s.narrow, D, s.gx, residual);
  }
  if (maps_.embedding < 0) return;
  drop_out(0, s.gx);
  back(maps_.embedding, rows, s.patches, s.gx, nullptr);
}

}  // namespace weft
