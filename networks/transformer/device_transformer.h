#pragma once
// Small transformers on a device; what TransformerPopulation computes, up to rounding.

#include "weft/core/tensor.h"
#include "weft/networks/population/device_networks.h"
#include "weft/networks/transformer/attention_bodies.h"
#include "weft/networks/transformer/transformer_bodies.h"
#include "weft/networks/transformer/transformer_population.h"

namespace weft {

class DeviceTransformer final : public DeviceNetworks {
 public:
  /// `model` outlives this. Throws UsageError where texts are padded in other numbers than the mini-batch's: lengths
  /// are known mini-batch by mini-batch.
  DeviceTransformer(Backend& backend, const TransformerPopulation& model, std::int64_t batch);

  void streams(RandomKey of_step, std::vector<RandomKey>& to) const override;
  bool lengths() const override { return model_.architecture().patch == 0 && model_.architecture().pad_batch > 0; }
  std::int64_t length(const MiniBatch& batch) const override { return model_.tokens_of(batch); }
  void prepare(const DevicePass& pass) const override;
  void forward(const DevicePass& pass) const override;
  void backward(const DevicePass& pass) const override;

 private:
  struct Norm {
    float *y = nullptr, *scales = nullptr;  ///< y: [.., width + 4]
  };
  struct Block {
    DeviceMap qkv, o, a, b;
    Norm x, y;  ///< before attention, before the MLP
    float *projected = nullptr, *heads = nullptr, *stats = nullptr, *hidden = nullptr;
  };

  DeviceMap add_map(const LinearMap& map);
  TokenRows token_rows(const DevicePass& pass) const;
  HeadRows head_rows(const DevicePass& pass, const Block& block) const;
  void embed(const DevicePass& pass) const;
  /// raw_, behind dropout and the stream, through a layer norm.
  void norm(const DevicePass& pass, std::size_t site, const Norm& to) const;
  /// gy, of the tokens or of their mean, through a layer norm; then through dropout into raw_.
  void norm_back(const DevicePass& pass, std::size_t site, const Norm& at, const float* gy, bool of_mean) const;

  const TransformerPopulation& model_;
  std::int64_t batch_, tokens_, rows_, width_;  ///< rows_: of a mini-batch; width_: channels padded
  Tensor positions_;                            ///< on the device
  DeviceMap embedding_{}, first_{}, second_{};
  std::vector<Block> blocks_;
  Norm last_;
  std::int32_t* corners_ = nullptr;
  float *patches_ = nullptr, *stream_ = nullptr, *mean_ = nullptr, *dense_ = nullptr;
  float* raw_ = nullptr;  ///< what a product gives a norm; backward: the gradient of it
  float *narrow_ = nullptr, *hidden_gradient_ = nullptr, *projected_gradient_ = nullptr, *heads_gradient_ = nullptr,
        *mean_gradient_ = nullptr, *dense_gradient_ = nullptr;
};

}  // namespace weft
