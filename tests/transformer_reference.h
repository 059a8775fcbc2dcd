#pragma once
// Networks, data and the reference for tests of populations of transformers: their definition, in float64.

#include "weft/networks/transformer/definition.h"
#include "weft/networks/transformer/transformer_population.h"
#include "weft/nn/losses.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/view.h"
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

/// Dropout of transformer_population.h, spelled out: y times its factors, y [1, n, T, D].
class SpelledDropout final : public SiteDropout {
 public:
  explicit SpelledDropout(const Dropout& dropout) : dropout_(dropout) {}

  Var operator()(std::size_t site, const Var& y) const override {
    if (dropout_.rate == 0) return y;
    const RandomKey key = dropout_.key.at(static_cast<std::uint64_t>(site));
    const auto t = std::lround(256 * dropout_.rate);
    const std::int64_t D = y.shape()[3], width = (D + 15) / 16 * 16;
    const Tensor factors = Tensor::zeros(y.shape(), DType::f64);
    for (std::int64_t r = 0; r < y.shape().numel() / D; ++r)
      for (std::int64_t c = 0; c < D; ++c)
        factors.data<double>()[r * D + c] =
            random_byte(key, static_cast<std::uint64_t>(r * width + c)) >= t ? 256. / static_cast<double>(256 - t) : 0.;
    return mul(y, y.tape().constant(factors));
  }

 private:
  Dropout dropout_;
};

/// Images [1, n, C, H, W], padded with -1 and cropped.
inline Tensor cropped_images(const TransformerArchitecture& a, const Dataset& data,
                             const std::vector<std::int32_t>& items, bool training, const Dropout& dropout) {
  const auto n = static_cast<std::int64_t>(items.size());
  const Tensor images = Tensor::zeros({1, n, a.channels, a.image_rows, a.image_columns}, DType::f64);
  double* to = images.data<double>();
  for (std::int64_t i = 0; i < n; ++i) {
    const RandomKey key = dropout.key.at("crop");
    const auto draw = [&](std::uint64_t which) {
      return training && a.crop > 0
                 ? uniform_index(key, 2 * static_cast<std::uint64_t>(i) + which, 2 * a.crop + 1) - a.crop
                 : 0;
    };
    const std::int64_t up = draw(0), left = draw(1);
    const Tensor image = data.images[items[static_cast<std::size_t>(i)]];
    for (std::int64_t c = 0; c < a.channels; ++c)
      for (std::int64_t row = up; row < a.image_rows + up; ++row)
        for (std::int64_t column = left; column < a.image_columns + left; ++column) {
          const bool outside = row < 0 || row >= a.image_rows || column < 0 || column >= a.image_columns;
          *to++ = outside
                      ? -1.
                      : static_cast<double>(image.data<float>()[(c * a.image_rows + row) * a.image_columns + column]);
        }
  }
  return images;
}

/// Word vectors [1, n, T, D], of as many tokens as count among batches of pad_batch.
inline Tensor words_of(const TransformerArchitecture& a, const Dataset& data, const std::vector<std::int32_t>& items) {
  const std::int32_t* tokens = data.tokens.data<std::int32_t>();
  std::int64_t T = a.pad_batch == 0 ? a.length : 1;
  for (const std::int32_t item : items)
    for (std::int64_t t = T; t < a.length; ++t)
      if (tokens[item * a.length + t] != Dataset::padding) T = t + 1;
  const auto n = static_cast<std::int64_t>(items.size());
  const Tensor words = Tensor::zeros({1, n, T, a.shape.D}, DType::f64);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t t = 0; t < T; ++t) {
      const std::int32_t token = tokens[items[static_cast<std::size_t>(i)] * a.length + t];
      for (std::int64_t c = 0; c < a.shape.D && token >= 0; ++c)
        words.data<double>()[(i * T + t) * a.shape.D + c] =
            static_cast<double>(data.word_vectors.data<float>()[token * a.shape.D + c]);
    }
  return words;
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
  const Tensor read = a.patch > 0 ? cropped_images(a, data, items, training, dropout) : words_of(a, data, items);
  const Var logits = reshape(
      transformer_definition(a)->forward(vars, tape.constant(read), SpelledDropout(training ? dropout : Dropout{})),
      {n, 1, a.classes});
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
