#pragma once
// What DevicePopulation (networks/population/device_population.h) asks of an architecture: the forward and backward
// pass of many networks at once. Products are one batched product over the networks; all else are bodies
// (population_bodies.h).

#include <cstdint>
#include <vector>

#include "weft/core/arena.h"
#include "weft/core/loop.h"
#include "weft/core/random.h"
#include "weft/groups/space.h"
#include "weft/networks/population/population_bodies.h"
#include "weft/networks/population/population_model.h"
#include "weft/ops/pointwise_kernels.h"

namespace weft {

/// y = x W + b on a device: W [in, out] and, behind its last row, b.
struct DeviceMap {
  std::int64_t offset, in, out;  ///< offset: among a network's numbers
  bool bias;
  std::int64_t rows() const { return in + (bias ? 1 : 0); }
};

/// How a network's numbers lie on a device: map behind map, in the order in which products read them.
struct DeviceLayout {
  std::int64_t numbers = 0;           ///< with padding, which holds zeros
  std::vector<std::int32_t> place;    ///< of number i of the tensors, one tensor behind the other
  std::vector<std::uint8_t> decays;   ///< [numbers] whether it is a weight
  std::vector<std::int64_t> tensors;  ///< where each of them begins in `place`

  explicit DeviceLayout(const Space& space);
  DeviceMap add(std::int64_t in, std::int64_t out, bool bias);
};

/// A data set on a device; null is what it lacks.
struct DeviceData {
  const float* images = nullptr;
  const std::int32_t *labels = nullptr, *tokens = nullptr;
  const float* words = nullptr;
};

/// One step of all networks of a group, at fixed addresses.
struct DevicePass {
  Arena& arena;  ///< the device's, for products
  DeviceBatches batches;
  DeviceData data;
  const float* values;                  ///< [networks, layout.numbers]
  const std::int32_t* thresholds = {};  ///< training: [networks] of dropout
  float* partial = nullptr;             ///< training: [networks, parts, layout.numbers]
  std::int64_t parts = 1;               ///< into which sums over a mini-batch are split; divides it
  bool training() const { return partial != nullptr; }
  Backend* backend() const { return arena.backend(); }
};

class DeviceNetworks {
 public:
  explicit DeviceNetworks(const Space& space) : layout_(space) {}
  virtual ~DeviceNetworks() = default;
  DeviceNetworks(const DeviceNetworks&) = delete;
  DeviceNetworks& operator=(const DeviceNetworks&) = delete;

  const DeviceLayout& layout() const { return layout_; }
  /// Numbers of 4 bytes that a network's values take beside its weights.
  std::int64_t numbers() const { return numbers_; }
  /// The same in memory that is not place()'s: of a tape.
  std::int64_t numbers_beside() const { return numbers_beside_; }
  /// Gives the values their memory: numbers() for each network.
  void place(float* memory, std::int64_t networks);

  /// Streams of random numbers of one step, in the order of DeviceBatches::purposes.
  virtual void streams(RandomKey of_step, std::vector<RandomKey>& to) const = 0;
  /// Whether mini-batches differ in how many tokens of an item count, and how many do in one of them.
  virtual bool lengths() const { return false; }
  virtual std::int64_t length(const MiniBatch&) const { return 0; }

  /// Enqueues what holds for all steps, after place().
  virtual void prepare(const DevicePass&) const {}
  /// Enqueues. forward() leaves the outputs; backward() takes their gradient in the same place.
  virtual void forward(const DevicePass& pass) const = 0;
  virtual void backward(const DevicePass& pass) const = 0;
  /// Enqueues in between: the loss of every item, and whether it is classified correctly; in training the outputs
  /// become their gradient. Here cross-entropy of logits. losses, hits: [networks, batch]
  virtual void score(const DevicePass& pass, float* losses, std::int32_t* hits) const;
  bool classifies = true;  ///< else there are no hits
  std::int64_t classes = 0, output_width = 0;

 protected:
  /// Memory of so many numbers for each network.
  void add_buffer(float** piece, std::int64_t numbers);
  /// The same for the bytes of dropout: sites of so many rows an item and blocks of 16 channels a row.
  void add_dropout(std::int64_t batch, std::vector<std::array<std::int64_t, 2>> sites);
  void draw_dropout(const DevicePass& pass, bool lengths) const;
  DropSite site(const DevicePass& pass, std::size_t number) const;

  /// y = act(x W + b): `rows` rows of each network, x_stride apart; where there is a bias, 1 stands behind their
  /// numbers.
  void apply(const DevicePass& pass, const DeviceMap& map, std::int64_t rows, const float* x, std::int64_t x_stride,
             float* y, std::int64_t y_stride, bool relu = false) const;
  /// The gradients of W and b from x and the gradient g of y, in parts; then that of x, unless gx is null.
  void back(const DevicePass& pass, const DeviceMap& map, std::int64_t rows, const float* x, std::int64_t x_stride,
            const float* g, float* gx, std::int64_t gx_stride) const;

  DeviceLayout layout_;
  std::int64_t numbers_beside_ = 0;
  float* outputs_ = nullptr;  ///< [networks, batch, output_width]

 private:
  struct Buffer {
    float** at;
    std::int64_t numbers;
  };
  std::vector<Buffer> buffers_;
  std::int64_t numbers_ = 0;
  std::vector<DrawDropout::Site> sites_;
  std::int64_t blocks_ = 0;
  float* bytes_ = nullptr;
};

}  // namespace weft
