#include "weft/data/dataset.h"

#include <algorithm>
#include <cmath>

#include "weft/core/hash.h"
#include "weft/core/parallel.h"

namespace weft {

void scale_pixels(const Tensor& bytes, float* out) {
  const std::uint8_t* in = bytes.data<std::uint8_t>();
  parallel_blocks(bytes.numel(), 65536, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = static_cast<float>(in[i]) / 127.5f - 1.f;
  });
}

Tensor pixel_bytes(const Tensor& images) {
  const Tensor bytes = Tensor::zeros(images.shape(), DType::u8);
  const float* in = images.data<float>();
  std::uint8_t* out = bytes.data<std::uint8_t>();
  parallel_blocks(images.numel(), 65536, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      out[i] = static_cast<std::uint8_t>(std::lround(std::clamp(127.5f * (in[i] + 1.f), 0.f, 255.f)));
  });
  return bytes;
}

Dataset grey(const Dataset& data) {
  const std::int64_t channels = data.channels(), pixels = data.rows() * data.columns();
  Dataset out{data.name, Tensor::zeros({data.items(), 1, data.rows(), data.columns()}, DType::f32), data.labels,
              data.classes};
  const float* in = data.images.data<float>();
  float* to = out.images.data<float>();
  parallel_blocks(data.items(), 256, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n)
      for (std::int64_t i = 0; i < pixels; ++i) {
        float sum = 0;
        for (std::int64_t c = 0; c < channels; ++c) sum += in[(n * channels + c) * pixels + i];
        to[n * pixels + i] = sum / static_cast<float>(channels);
      }
  });
  return out;
}

Dataset averaged(const Dataset& data, std::int64_t factor) {
  const std::int64_t channels = data.channels(), rows = data.rows(), columns = data.columns();
  if (factor < 1 || rows % factor || columns % factor)
    throw ShapeError("[averaged] factor {} on images of {}x{}; it must divide both", factor, rows, columns);
  const std::int64_t height = rows / factor, width = columns / factor;
  Dataset out{data.name, Tensor::zeros({data.items(), channels, height, width}, DType::f32), data.labels, data.classes};
  const float* in = data.images.data<float>();
  float* to = out.images.data<float>();
  const float scale = 1.f / static_cast<float>(factor * factor);
  parallel_blocks(data.items() * channels, 256, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n)
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < columns; ++c)
          to[(n * height + r / factor) * width + c / factor] += scale * in[(n * rows + r) * columns + c];
  });
  return out;
}

Dataset Dataset::slice(std::int64_t begin, std::int64_t end) const {
  Dataset part = *this;
  for (Tensor* t : {&part.images, &part.labels, &part.tokens})
    if (t->defined()) *t = t->slice(begin, end);
  return part;
}

void check_items(std::string_view who, const Dataset& data, const Shape& item, std::int64_t classes) {
  const bool texts = item.rank() == 2;
  if (data.texts() != texts)
    throw UsageError("[{}] '{}' has {}; these networks read {}", who, data.name, texts ? "images" : "texts",
                     texts ? "texts" : "images");
  if (data.labels.rank() != 1)
    throw ShapeError("[{}] labels {} in '{}'; allowed: [items]", who, data.labels.shape().str(), data.name);
  if (texts) {
    const Shape &tokens = data.tokens.shape(), &vectors = data.word_vectors.shape();
    if (tokens != Shape{data.items(), item[0]} || vectors.rank() != 2 || vectors[1] != item[1])
      throw ShapeError("[{}] tokens {}, word vectors {} in '{}'; allowed: [{}, {}], [words, {}]", who, tokens.str(),
                       vectors.str(), data.name, data.items(), item[0], item[1]);
    for (const std::int32_t token : data.tokens.span<std::int32_t>())
      if (token < Dataset::padding || token >= vectors[0])
        throw UsageError("[{}] token {} in '{}'; allowed: {} to {}", who, token, data.name, Dataset::padding,
                         vectors[0] - 1);
  } else {
    const Shape allowed{data.items(), item[0], item[1], item[2]};
    if (data.images.shape() != allowed)
      throw ShapeError("[{}] images {} in '{}'; allowed: {}", who, data.images.shape().str(), data.name, allowed.str());
  }
  if (data.classes > classes)
    throw UsageError("[{}] {} classes in '{}'; these networks have {} outputs", who, data.classes, data.name, classes);
  for (const std::int32_t label : data.labels.span<std::int32_t>())
    if (label < 0 || label >= data.classes)
      throw UsageError("[{}] label {} in '{}'; allowed: 0 to {}", who, label, data.name, data.classes - 1);
}

std::string content_hash(const Dataset& data) {
  Hash hash;
  for (const Tensor& t : {data.images, data.tokens, data.word_vectors, data.labels}) {
    if (!t.defined()) continue;
    hash.add(std::as_bytes(t.shape().sizes()));
    hash.add({static_cast<const std::byte*>(t.raw()), t.bytes()});
  }
  return fmt::format("{:016x}", hash.value());
}

}  // namespace weft
