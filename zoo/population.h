#pragma once
// Populations: many small networks of one shape trained together, as batched products over networks x images.

#include <functional>
#include <vector>

#include "weft/core/random.h"
#include "weft/groups/space.h"
#include "weft/nn/optim.h"
#include "weft/ops/pointwise_kernels.h"
#include "weft/zoo/dataset.h"

namespace weft {

/// What is drawn for one network.
struct NetworkRecipe {
  UpdateRule rule = UpdateRule::adam();
  double learning_rate = 1e-3;
  double init_std = 1;    ///< of weights, in units of 1 / sqrt(fan_in); biases start at 0
  double data_share = 1;  ///< of the training images: its own random subset
};

struct PopulationConfig {
  std::vector<std::int64_t> widths;
  UnaryOp activation = UnaryOp::Relu;
  std::int64_t epochs = 8, batch = 32;
  std::uint64_t seed = 0;
};

struct Population {
  Space space;                   ///< mlp_space of the widths
  std::vector<Tensor> weights;   ///< W1 b1 …: float32 [networks, 1, …], features of the space
  std::vector<double> accuracy;  ///< on the test images
  std::vector<bool> diverged;    ///< frozen at its last finite weights
};

/// Recipes whose accuracies spread from chance to the best reachable.
std::vector<NetworkRecipe> draw_recipes(std::int64_t networks, Key key);

/// Trains one network per recipe by cross-entropy; `progress(step, steps)` is called after every step. In an epoch
/// every network sees as many images as the training set has, drawn from its own share of it. A network whose loss is
/// no number any more stays at the weights before. The result depends on data, recipes and config alone, not on the
/// number of threads. Images are flattened; widths[0] must be their size. Throws ShapeError, UsageError.
Population train_population(const Dataset& train, const Dataset& test, const std::vector<NetworkRecipe>& recipes,
                            const PopulationConfig& config,
                            const std::function<void(std::int64_t, std::int64_t)>& progress);

}  // namespace weft
