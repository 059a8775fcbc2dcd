#pragma once
// Small convolutional networks as a population (spec 1.1): convolutions without padding, activation (and dropout) after
// each, mean over the image, one dense layer. The reference is cnn_forward (zoo/networks.h) on the tape.

#include <vector>

#include "weft/ops/pointwise_kernels.h"
#include "weft/zoo/cnn_kernels.h"
#include "weft/zoo/population_model.h"

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

/// Cost of a training image of the default architecture: 0.47 MFLOP. Values that no later layer reads (6x6 under a 3x3
/// kernel with stride 2 gives 2x2 from 5x5) are not computed; with them it would be 0.65.
///
/// Dropout is by value after each activation: byte i % 16 of Philox block i / 16 of key.at(layer), layer from 0; i
/// counts the computed values as [item of the batch, row, column, channel], channels padded to a multiple of 16.
/// A value is kept, times 256 / (256 - t), when its byte is at least t = round(256 rate).
class CnnPopulation final : public PopulationModel {
 public:
  /// Throws UsageError for another activation, widths and kernels that do not match, or an image that is too small.
  explicit CnnPopulation(CnnArchitecture architecture);

  const CnnArchitecture& architecture() const { return architecture_; }
  /// Multiplications and additions for one image that are executed: forward, and forward with backward.
  double forward_flops() const;
  double training_flops() const;

  const Space& space() const override { return space_; }
  void check(const Dataset& data) const override;
  double loss_and_gradient(NetworkWeights weights, const MiniBatch& batch, const Dropout& dropout,
                           NetworkGradient gradient, Arena& arena) const override;
  Score evaluate(NetworkWeights weights, const MiniBatch& items, Arena& arena) const override;

 private:
  /// Positions of the input that the same taps reach: one product gives their gradients.
  struct InputClass {
    std::int64_t per_item = 0;
    std::vector<TapRun> runs;
    std::vector<std::int32_t> x_offsets, y_offsets;
  };
  /// A convolution, or the dense layer as a 1x1 convolution of one position.
  struct Layer {
    std::int64_t taps, in, out, width;  ///< channels; width: `out` padded
    std::int64_t in_width;              ///< channels of the input in memory; 0 for the image, whose planes are separate
    std::int64_t positions, item;       ///< per image: of the output; values of the input in memory
    std::int64_t length;                ///< of a run
    std::vector<TapRun> runs;
    std::vector<std::int32_t> x_offsets, y_offsets;  ///< of group_ images
    std::vector<InputClass> classes;                 ///< none for the image
    std::int64_t w_rows() const { return taps * (in_width ? in_width : in); }
  };
  struct Scratch;

  Layer make_layer(std::int64_t in, std::int64_t out, bool image, std::int64_t kernel, std::int64_t in_rows,
                   std::int64_t in_columns, std::int64_t rows, std::int64_t columns) const;
  void add_classes(Layer& layer, std::int64_t kernel, std::int64_t in_rows, std::int64_t in_columns, std::int64_t rows,
                   std::int64_t columns) const;
  Scratch make_scratch(NetworkWeights weights, bool training, Arena& arena) const;
  template <class Body>
  void each_input(const Scratch& s, std::size_t layer, const MiniBatch& batch, std::int64_t first, std::int64_t count,
                  const Body& body) const;
  void forward(const Scratch& s, const MiniBatch& batch, std::int64_t first, std::int64_t count,
               const Dropout& dropout) const;
  void backward(const Scratch& s, const MiniBatch& batch, std::int64_t first, std::int64_t count,
                const Dropout& dropout) const;
  void write_gradient(const Scratch& s, NetworkGradient gradient) const;

  CnnArchitecture architecture_;
  Space space_;
  std::vector<Layer> layers_;
  std::int64_t group_ = 1;  ///< images that go through the network together
};

}  // namespace weft
