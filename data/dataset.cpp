#include "weft/data/dataset.h"

#include <filesystem>

#include "weft/core/hash.h"
#include "weft/core/parallel.h"
#include "weft/io/cifar.h"
#include "weft/io/idx.h"

namespace weft {
namespace {

std::string plain_or_gz(const std::string& path) { return std::filesystem::exists(path) ? path : path + ".gz"; }

/// Bytes 0..255 as numbers -1..1.
void scale_pixels(const Tensor& bytes, float* out) {
  const std::uint8_t* in = bytes.data<std::uint8_t>();
  parallel_blocks(bytes.numel(), 65536, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = static_cast<float>(in[i]) / 127.5f - 1.f;
  });
}

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
  scale_pixels(images, data.images.data<float>());
  return data;
}

Dataset load_cifar10(const std::string& folder, const std::vector<std::string>& batches) {
  if (batches.empty())
    throw UsageError("[cifar10] no batch named; allowed: one or more of data_batch_1 … data_batch_5, test_batch");
  std::vector<Cifar10> parts;
  std::int64_t items = 0;
  for (const std::string& batch : batches) {
    parts.push_back(read_cifar10(plain_or_gz(folder + "/" + batch + ".bin")));
    items += parts.back().labels.numel();
  }
  Dataset data{"cifar10", Tensor::zeros({items, 3, 32, 32}, DType::f32), Tensor::zeros({items}, DType::i32), 10};
  std::int64_t at = 0;
  for (const Cifar10& part : parts) {
    const std::int64_t end = at + part.labels.numel();
    scale_pixels(part.images, data.images.slice(at, end).data<float>());
    data.labels.slice(at, end).copy_from(part.labels);
    at = end;
  }
  return data;
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

void check_labels(const char* who, const Dataset& data, std::int64_t classes) {
  if (data.classes > classes)
    throw UsageError("[{}] {} classes in '{}'; these networks have {} outputs", who, data.classes, data.name, classes);
  for (std::int32_t label : data.labels.span<std::int32_t>())
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
