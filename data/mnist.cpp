// MNIST from its IDX files.

#include "weft/data/source.h"
#include "weft/io/gzip.h"
#include "weft/io/idx.h"

namespace weft {

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

extern const DataSource mnist_source{
    .name = "mnist",
    .text = "MNIST from its IDX files",
    .texts = false,
    .files = true,
    .load = [](const DataRequest& r) {
      return first_items({load_mnist(r.folder, "train"), load_mnist(r.folder, "t10k")}, r);
    }};

}  // namespace weft
