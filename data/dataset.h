#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "weft/core/tensor.h"

namespace weft {

/// Images in [-1, 1], or texts as word vectors, with labels. Grey images have one channel.
struct Dataset {
  std::string name;
  Tensor images;  ///< float32 [items, channels, rows, columns]; none with texts
  Tensor labels;  ///< int32 [items]
  std::int64_t classes = 10;
  Tensor tokens{};        ///< texts: int32 [items, length], rows of word_vectors, or the two below
  Tensor word_vectors{};  ///< texts: float32 [words, D], the same for training and test items

  /// Both stand for a zero vector; padding is at the end of a text only.
  static constexpr std::int32_t unknown = -1, padding = -2;

  std::int64_t items() const { return labels.dim(0); }
  bool texts() const { return tokens.defined(); }
  /// Items [begin, end), without copying.
  Dataset slice(std::int64_t begin, std::int64_t end) const;
  std::int64_t channels() const { return images.dim(1); }
  std::int64_t rows() const { return images.dim(2); }
  std::int64_t columns() const { return images.dim(3); }
};

/// Bytes 0 to 255 as numbers -1 to 1, as images have them.
void scale_pixels(const Tensor& bytes, float* out);
/// The nearest bytes of such numbers, uint8 of the same shape: those that they were made of.
Tensor pixel_bytes(const Tensor& images);

/// MNIST from IDX files, plain or gz: `<prefix>-images-idx3-ubyte[.gz]` and `<prefix>-labels-idx1-ubyte[.gz]` in
/// `folder`; prefix "train" or "t10k". Throws DiskError for missing files, FormatError for wrong content (also a label
/// above 9, or counts that differ).
Dataset load_mnist(const std::string& folder, const std::string& prefix);

/// CIFAR-10 from its binary batches, plain or gz: `<batch>.bin[.gz]` in `folder`, one after the other; "data_batch_1"
/// to "data_batch_5" are for training, "test_batch" for testing. Throws DiskError and FormatError, as read_cifar10
/// does; UsageError without a batch.
Dataset load_cifar10(const std::string& folder, const std::vector<std::string>& batches);

/// One channel, the mean of all.
Dataset grey(const Dataset& data);

/// Means over blocks of `factor` x `factor` pixels: 28x28 with factor 4 gives 7x7. Throws ShapeError when it does not
/// divide.
Dataset averaged(const Dataset& data, std::int64_t factor);

/// What networks of so many outputs read: images [channels, rows, columns], or texts of word vectors [length, D].
/// Throws, in the name of `who`, UsageError for texts in place of images or the reverse, a token that is no word, more
/// classes than outputs, a label that is no class; ShapeError for other shapes.
void check_items(std::string_view who, const Dataset& data, const Shape& item, std::int64_t classes);

/// 16 hexadecimal digits that depend on every image or token, word vector, label and shape (FNV-1a, 64 bits): two data
/// sets that differ by accident have different ones.
std::string content_hash(const Dataset& data);

}  // namespace weft
