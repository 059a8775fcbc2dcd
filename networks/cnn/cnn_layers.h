#pragma once
// A small convolutional network and the geometry of its layers, as tables of offsets for networks/cnn/cnn_kernels.h.

#include <vector>

#include "weft/groups/space.h"
#include "weft/networks/cnn/cnn_bodies.h"
#include "weft/networks/cnn/cnn_kernels.h"
#include "weft/ops/pointwise_kernels.h"

namespace weft {

/// widths n_0 … n_L: n_0 channels of the image, L - 1 convolutions, n_L classes.
struct CnnArchitecture {
  std::int64_t image_rows = 28, image_columns = 28;
  std::vector<std::int64_t> widths{1, 16, 16, 16, 10};
  std::vector<std::int64_t> kernels{3, 3, 3};  ///< sides, one per convolution
  std::int64_t stride = 2;
  UnaryOp activation = UnaryOp::Relu;  ///< or Tanh

  /// cnn_space of the widths; hidden factors are positive_monomial for ReLU, sign_monomial for tanh.
  Space space() const;
};

/// Positions of the input that the same taps reach: one product gives their gradients.
struct CnnInputClass {
  std::int64_t per_item = 0;
  std::vector<TapRun> runs;
  std::vector<std::int32_t> x_offsets, y_offsets;  ///< of a group of images
};

/// A convolution, or the dense layer as a 1x1 convolution of one position.
struct CnnLayer {
  std::int64_t taps, in, out, width;  ///< channels; width: `out` padded
  std::int64_t in_width;              ///< channels of the input in memory; 0 for the image, whose planes are separate
  std::int64_t positions, item;       ///< per image: of the output; values of the input in memory
  std::int64_t length;                ///< of a run
  std::vector<TapRun> runs;
  std::vector<std::int32_t> x_offsets, y_offsets;  ///< of a group of images
  std::vector<CnnInputClass> classes;              ///< none for the image
  CnnGrid grid;

  std::int64_t w_rows() const { return taps * (in_width ? in_width : in); }
};

struct CnnLayers {
  std::vector<CnnLayer> layers;  ///< the convolutions, then the dense layer
  std::int64_t group = 1;        ///< images that go through the network together: their values fit into the cache
};

/// Throws UsageError for a kernel that does not fit or a stride below 1.
CnnLayers cnn_layers(const CnnArchitecture& architecture);

}  // namespace weft
