#include "weft/zoo/dataset.h"

#include <filesystem>

#include "weft/core/parallel.h"
#include "weft/io/idx.h"

namespace weft {
namespace {

std::string plain_or_gz(const std::string& path) { return std::filesystem::exists(path) ? path : path + ".gz"; }

}  // namespace

Dataset load_mnist(const std::string& folder, const std::string& prefix) {
  const std::string image_path = plain_or_gz(folder + "/" + prefix + "-images-idx3-ubyte");
  const std::string label_path = plain_or_gz(folder + "/" + prefix + "-labels-idx1-ubyte");
  const Tensor images = read_idx(image_path), labels = read_idx(label_path);
  if (images.rank() != 3)
    throw FormatError("[mnist] '{}' has shape {}; allowed: [items, rows, columns]", image_path, images.shape().str());
  if (labels.rank() != 1 || labels.dim(0) != images.dim(0))
    throw FormatError("[mnist] '{}' has shape {}; allowed: [{}], one label per image", label_path, labels.shape().str(),
                      images.dim(0));
  Dataset data{"mnist", Tensor::zeros({images.dim(0), 1, images.dim(1), images.dim(2)}, DType::f32),
               Tensor::zeros(labels.shape(), DType::i32), 10};
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    const std::uint8_t label = labels.data<std::uint8_t>()[i];
    if (label > 9) throw FormatError("[mnist] '{}': label {} of item {}; allowed: 0..9", label_path, label, i);
    data.labels.data<std::int32_t>()[i] = label;
  }
  const std::uint8_t* in = images.data<std::uint8_t>();
  float* out = data.images.data<float>();
  parallel_blocks(images.numel(), 65536, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = static_cast<float>(in[i]) / 127.5f - 1.f;
  });
  return data;
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

}  // namespace weft
