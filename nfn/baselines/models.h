#pragma once
// The baselines as models (spec 4.4): what they read of a network, standardised.

#include "weft/nfn/models/reader.h"

namespace weft {

/// A model on numbers that are read of every network, brought to mean 0 and deviation 1 over the training networks.
class BaselineModel : public Reader {
 public:
  /// What is read: 7 statistics a tensor, the same of the balanced network, or the weights themselves, flattened.
  enum class Reads : std::uint8_t { statistics, balanced_statistics, weights };

  std::vector<Tensor> standardise(std::span<const Tensor> weights) override;
  std::vector<Tensor> prepare(std::span<const Tensor> weights) const override;

 protected:
  BaselineModel(const char* kind, const Settings& settings, const Space& space, std::int64_t outputs, Reads reads);
  std::int64_t inputs() const;

 private:
  /// Raw inputs [n, inputs].
  Tensor read(std::span<const Tensor> weights) const;
  /// In place.
  std::vector<Tensor> standardised(const Tensor& raw) const;

  Reads reads_;
  int mean_, inverse_deviation_;  ///< frozen parameters: they travel with the model
};

}  // namespace weft
