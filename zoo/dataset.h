#pragma once

#include <string>

#include "weft/core/tensor.h"

namespace weft {

/// Images in [-1, 1] with labels; grey ones have one channel.
struct Dataset {
  std::string name;
  Tensor images;  ///< float32 [items, channels, rows, columns]
  Tensor labels;  ///< int32 [items]
  std::int64_t classes = 10;

  std::int64_t items() const { return images.dim(0); }
  std::int64_t channels() const { return images.dim(1); }
  std::int64_t rows() const { return images.dim(2); }
  std::int64_t columns() const { return images.dim(3); }
};

/// MNIST from IDX files, plain or gz: `<prefix>-images-idx3-ubyte[.gz]` and `<prefix>-labels-idx1-ubyte[.gz]` in
/// `folder`; prefix "train" or "t10k". Throws DiskError for missing files, FormatError for wrong content (also a label
/// above 9, or counts that differ).
Dataset load_mnist(const std::string& folder, const std::string& prefix);

/// Means over blocks of `factor` x `factor` pixels: 28x28 with factor 4 gives 7x7. Throws ShapeError when it does not
/// divide.
Dataset averaged(const Dataset& data, std::int64_t factor);

}  // namespace weft
