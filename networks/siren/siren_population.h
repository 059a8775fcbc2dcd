#pragma once
// Implicit networks as a population: SIREN 2-W-W-c (Sitzmann et al. 2020), each of which stores one image (spec 9.1,
// 9.2).

#include "weft/networks/population/definition.h"
#include "weft/nfn/forward.h"

namespace weft {

struct SirenShape {
  std::int64_t channels = 1, rows = 28, columns = 28;  ///< of an image
  std::int64_t width = 32;                             ///< W
  std::int64_t views = 1;                              ///< networks that store the same image
  bool shared_start = false;                           ///< all networks start from the same values
};

/// Space, forward pass and items: spaces are mlp_space with sign_monomial neurons.
std::shared_ptr<const NetworkDefinition> siren_definition(const SirenShape& shape);

/// The same by kernels on the CPU, with SIREN's start values: W1 U(±1/2), other weights U(±sqrt(6 / W) / ω), biases
/// U(±1 / sqrt(fan in)).
class SirenPopulation final : public DefinedPopulation {
 public:
  /// Throws UsageError for a size below 1, or views of a shared start.
  explicit SirenPopulation(const SirenShape& shape);

  /// Multiplications and additions of products for one pixel, sines apart: forward, and forward with backward.
  double forward_flops() const override;
  double training_flops() const override;

  void draw_start(std::size_t tensor, const TrainingRecipe& recipe, RandomKey key, std::int64_t network,
                  const Tensor& to) const override;
  double loss_and_gradient(NetworkWeights weights, const MiniBatch& batch, const Dropout& dropout,
                           NetworkGradient gradient, Arena& arena) const override;
  Score evaluate(NetworkWeights weights, const MiniBatch& pixels, Arena& arena) const override;

 private:
  struct Scratch;

  Scratch make_scratch(NetworkWeights weights, bool training, Arena& arena) const;
  void map(const Scratch& s, std::int64_t rows, const float* x, const float* w, const float* bias, float* y) const;
  double forward(const Scratch& s, const MiniBatch& batch, std::int64_t first, std::int64_t count) const;
  void backward(const Scratch& s, std::int64_t count) const;
  void write_gradient(const Scratch& s, double share, NetworkGradient gradient) const;

  SirenShape shape_;
  std::int64_t width_;  ///< padded
  Tensor places_;       ///< of the pixels
};

}  // namespace weft
