#pragma once
// Networks, data and the reference for tests of populations of transformers: the tape, in float64.

#include <cstring>

#include "weft/networks/networks.h"
#include "weft/networks/transformer/transformer_population.h"
#include "weft/nn/losses.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"
#include "weft/tests/population_reference.h"

namespace weft::testing {

inline const std::vector<TransformerArchitecture> transformers{
    {},
    {.shape = {.D = 13, .D_A = 21, .h = 3, .Dk = 5, .Dv = 18, .blocks = 3},
     .hidden = 19,
     .classes = 7,
     .patch = 3,
     .channels = 2,
     .image_rows = 9,
     .image_columns = 15},
    {.residual = true},
    {.classes = 4, .patch = 0, .length = 20},
    {.shape = {.D = 24, .D_A = 40, .h = 1, .Dk = 16, .Dv = 7, .blocks = 2},
     .classes = 4,
     .patch = 0,
     .length = 70,
     .pad_batch = 5,
     .residual = true},
};

inline Dataset noise_data(const TransformerArchitecture& a, std::int64_t items, RandomKey key) {
  Dataset data{"noise", {}, Tensor::zeros({items}, DType::i32), a.classes};
  for (std::int64_t i = 0; i < items; ++i)
    data.labels.data<std::int32_t>()[i] =
        static_cast<std::int32_t>(uniform_index(key.at("labels"), static_cast<std::uint64_t>(i), data.classes));
  if (a.patch > 0) {
    data.images = Tensor::zeros({items, a.channels, a.image_rows, a.image_columns}, DType::f32);
    fill_uniform(data.images, key.at("images"), -1, 1);
    return data;
  }
  constexpr std::int64_t words = 30;
  data.word_vectors = Tensor::zeros({words, a.shape.D}, DType::f32);
  fill_normal(data.word_vectors, key.at("words"));
  data.tokens = Tensor::zeros({items, a.length}, DType::i32);
  for (std::int64_t i = 0; i < items; ++i) {
    const std::int64_t length = uniform_index(key.at("lengths"), static_cast<std::uint64_t>(i), a.length / 2 + 1);
    for (std::int64_t t = 0; t < a.length; ++t)
      data.tokens.data<std::int32_t>()[i * a.length + t] =
          t < length ? static_cast<std::int32_t>(
                           uniform_index(key.at("tokens"), static_cast<std::uint64_t>(i * a.length + t), words + 1) - 1)
                     : Dataset::padding;
  }
  return data;
}

/// Dropout of transformer_population.h, spelled out: factors of a site for n items of T tokens.
inline Tensor dropout_factors(std::int64_t n, std::int64_t T, std::int64_t D, const Dropout& dropout,
                              std::uint64_t site) {
  const RandomKey key = dropout.key.at(site);
  const auto t = std::lround(256 * dropout.rate);
  const std::int64_t width = (D + 15) / 16 * 16;
  const Tensor factors = Tensor::zeros({n, 1, T, D}, DType::f64);
  for (std::int64_t r = 0; r < n * T; ++r)
    for (std::int64_t c = 0; c < D; ++c)
      factors.data<double>()[r * D + c] =
          random_byte(key, static_cast<std::uint64_t>(r * width + c)) >= t ? 256. / static_cast<double>(256 - t) : 0.;
  return factors;
}

/// Images padded with -1 and cropped: [n, 1, T, patch values].
inline Tensor cropped_patches(const TransformerArchitecture& a, const Dataset& data,
                              const std::vector<std::int32_t>& items, bool training, const Dropout& dropout) {
  const auto n = static_cast<std::int64_t>(items.size());
  const Tensor patches = Tensor::zeros({n, 1, a.tokens(), a.patch_values()}, DType::f64);
  double* to = patches.data<double>();
  for (std::int64_t i = 0; i < n; ++i) {
    const RandomKey key = dropout.key.at("crop");
    const auto draw = [&](std::uint64_t which) {
      return training && a.crop > 0
                 ? uniform_index(key, 2 * static_cast<std::uint64_t>(i) + which, 2 * a.crop + 1) - a.crop
                 : 0;
    };
    const std::int64_t up = draw(0), left = draw(1);
    const Tensor image = data.images[items[static_cast<std::size_t>(i)]];
    for (std::int64_t t = 0; t < a.tokens(); ++t)
      for (std::int64_t c = 0; c < a.channels; ++c)
        for (std::int64_t y = 0; y < a.patch; ++y)
          for (std::int64_t x = 0; x < a.patch; ++x) {
            const std::int64_t row = t / (a.image_columns / a.patch) * a.patch + y + up,
                               column = t % (a.image_columns / a.patch) * a.patch + x + left;
            const bool outside = row < 0 || row >= a.image_rows || column < 0 || column >= a.image_columns;
            *to++ = outside
                        ? -1.
                        : static_cast<double>(image.data<float>()[(c * a.image_rows + row) * a.image_columns + column]);
          }
  }
  return patches;
}

/// The items' places among batches of pad_batch: tokens that count.
inline std::int64_t tokens_of(const TransformerArchitecture& a, const Dataset& data,
                              const std::vector<std::int32_t>& items) {
  if (a.patch > 0 || a.pad_batch == 0) return a.tokens();
  std::int64_t longest = 1;
  for (std::int32_t item : items)
    for (std::int64_t t = 0; t < a.length; ++t)
      if (data.tokens.data<std::int32_t>()[item * a.length + t] != Dataset::padding) longest = std::max(longest, t + 1);
  return longest;
}

/// Logits [n, 1, classes] of one mini-batch; the weights are the same for all items.
inline Var logits_of(Tape& tape, const TransformerArchitecture& a, std::span<const Var> weights, const Dataset& data,
                     const std::vector<std::int32_t>& items, bool training, const Dropout& dropout) {
  const auto n = static_cast<std::int64_t>(items.size());
  const std::int64_t T = tokens_of(a, data, items), D = a.shape.D;
  const Tensor places = Tensor::zeros({1, 1, T, D}, DType::f64);
  for (std::int64_t t = 0; t < T; ++t)
    for (std::int64_t c = 0; c < D; ++c) {
      const double angle =
          static_cast<double>(t) * std::pow(10000., -static_cast<double>(c - c % 2) / static_cast<double>(D));
      places.data<double>()[t * D + c] = c % 2 ? std::cos(angle) : std::sin(angle);
    }
  // One network for all items: they stand where a batch of tokens does, items x tokens would mix in attention, so the
  // batch axis is the items' and the weights are repeated along it.
  const Tensor ones = Tensor::zeros({n, 1}, DType::f64);
  ones.fill(1);
  std::vector<Var> u;
  for (const Var& w : weights) {
    std::vector<std::int64_t> sizes(w.shape().sizes().begin(), w.shape().sizes().end());
    std::int64_t numbers = 1;
    for (std::int64_t size : sizes) numbers *= size;
    sizes[0] = n;
    u.push_back(reshape(contract("no,ox->nx", tape.constant(ones), reshape(w, {1, numbers})), Shape(sizes)));
  }
  const std::span<const Var> all(u);
  std::size_t at = 0;
  auto repeated = [&](const Tensor& one) {
    const Tensor many = Tensor::zeros({n, 1, T, D}, DType::f64);
    for (std::int64_t i = 0; i < n; ++i) many.slice(i, i + 1).copy_from(one);
    return tape.constant(many);
  };
  Var x = repeated(places);
  if (a.patch > 0) {
    const Tensor patches = cropped_patches(a, data, items, training, dropout);
    x = add(x, contract("bcne,bcem+bcm->bcnm", tape.constant(patches), u[0], u[1]));
    at = 2;
  } else {
    const Tensor words = Tensor::zeros({n, 1, T, D}, DType::f64);
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t t = 0; t < T; ++t) {
        const std::int32_t token = data.tokens.data<std::int32_t>()[items[static_cast<std::size_t>(i)] * a.length + t];
        for (std::int64_t c = 0; c < D && token >= 0; ++c)
          words.data<double>()[(i * T + t) * D + c] =
              static_cast<double>(data.word_vectors.data<float>()[token * D + c]);
      }
    x = add(x, tape.constant(words));
  }
  const bool dropped = training && dropout.rate > 0;
  auto drop = [&](const Var& y, std::uint64_t site) {
    return dropped ? mul(y, tape.constant(dropout_factors(n, T, D, dropout, site))) : y;
  };
  x = drop(x, 0);
  for (int b = 0; b < a.shape.blocks; ++b, at += 8) {
    const std::span<const Var> block = all.subspan(at, 8);
    if (!dropped) {
      x = transformer_block_forward(block, x, a.residual);
      continue;
    }
    const auto site = static_cast<std::uint64_t>(1 + 2 * b);
    Var y = drop(attention_forward(layer_norm(x), block[0], block[1], block[2], block[3]), site);
    if (a.residual) y = add(x, y);
    const Var hidden = relu(contract("bcnp,bcpk+bck->bcnk", layer_norm(y), block[4], block[5]));
    x = drop(contract("bcnk,bckj+bcj->bcnj", hidden, block[6], block[7]), site + 1);
    if (a.residual) x = add(y, x);
  }
  const Tensor mean_of = Tensor::zeros({n, 1, 1, T}, DType::f64);
  mean_of.fill(1. / static_cast<double>(T));
  const Var pooled = contract("bcot,bctm->bcom", tape.constant(mean_of), layer_norm(x));
  return reshape(mlp_forward(all.subspan(at), pooled, UnaryOp::Relu), {n, 1, a.classes});
}

inline Reference reference(const TransformerArchitecture& a, const std::vector<Tensor>& weights, const Dataset& data,
                           const std::vector<std::int32_t>& items, bool training, const Dropout& dropout) {
  Arena arena;
  Tape tape(arena);
  std::vector<Var> vars;
  for (const Tensor& w : weights) vars.push_back(tape.leaf(w.to(DType::f64)));
  const auto n = static_cast<std::int64_t>(items.size());
  const Tensor labels = Tensor::zeros({n, 1}, DType::i32);
  for (std::int64_t i = 0; i < n; ++i)
    labels.data<std::int32_t>()[i] = data.labels.data<std::int32_t>()[items[static_cast<std::size_t>(i)]];
  const Var logits = logits_of(tape, a, vars, data, items, training, dropout);
  const Var loss = mean_all(cross_entropy(logits, labels));
  tape.backward(loss);
  Reference r{loss.value().data<double>()[0], 0, {}};
  for (std::int64_t i = 0; i < n; ++i) {
    const double* z = logits.value().data<double>() + i * a.classes;
    r.accuracy += std::max_element(z, z + a.classes) - z == labels.data<std::int32_t>()[i];
  }
  r.accuracy /= static_cast<double>(n);
  for (const Var& v : vars) r.gradient.push_back(tape.grad(v).value().clone());
  return r;
}

}  // namespace weft::testing
