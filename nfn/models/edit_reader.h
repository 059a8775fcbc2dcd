#pragma once
// Models that edit implicit networks (spec 9.4), as readers: what they say of a network is the image that it shows once
// it is edited.

#include "weft/nfn/models/reader.h"
#include "weft/ops/features.h"

namespace weft {

/// outputs(): numbers of an image, pixel by pixel, in [0, 1] where the networks fit an image of [-1, 1].
class EditReader : public Reader {
 public:
  /// prepared networks -> k networks for each, in as many channels, whose mean is the edited one.
  virtual Features edited(Tape& tape, std::span<const Tensor> prepared) const = 0;

  Var forward(Tape& tape, std::span<const Tensor> prepared,
              const std::optional<RandomKey>& training = {}) const override;

 protected:
  /// Throws UsageError unless `outputs` are the numbers of a square image.
  EditReader(const char* kind, const Settings& settings, const Space& space, std::int64_t outputs);

 private:
  std::int64_t side_;  ///< of an image
};

/// k networks of one space as one: [B, k, axes…] -> hidden layers k times as wide, of which each part is one of them.
struct WideNetworks {
  Space space;
  std::vector<Tensor> weights;
};
WideNetworks as_one(const Space& space, std::span<const Tensor> networks);

/// What an editor makes of networks. weights: one feature per tensor of its space, [n, 1, axes…], on the CPU. Throws
/// NumericError for edits that are not finite.
WideNetworks edited_networks(const EditReader& editor, std::span<const Tensor> weights);

}  // namespace weft
