#pragma once
// Small convolutional networks on a device; what CnnPopulation computes, up to rounding.

#include "weft/networks/cnn/cnn_bodies.h"
#include "weft/networks/cnn/cnn_population.h"
#include "weft/networks/population/device_networks.h"

namespace weft {

/// Of a step of the default architecture, 64 networks and batch 32: see docs/cuda.md.
class DeviceCnn final : public DeviceNetworks {
 public:
  DeviceCnn(const CnnPopulation& model, std::int64_t batch);

  void streams(RandomKey of_step, std::vector<RandomKey>& to) const override;
  void forward(const DevicePass& pass) const override;
  void backward(const DevicePass& pass) const override;

 private:
  struct Layer {
    DeviceMap map;
    CnnGrid grid;
    std::int64_t stride;                     ///< of a row of columns
    float *columns = nullptr, *y = nullptr;  ///< then their gradients, in the same place
    std::int64_t positions() const { return grid.rows * grid.columns; }
  };

  CnnActivation activation(const DevicePass& pass, std::size_t layer) const { return {site(pass, layer), is_tanh_}; }

  std::int64_t batch_, channels_;
  bool is_tanh_;
  std::vector<Layer> layers_;  ///< convolutions
  DeviceMap head_{};
  float *mean_ = nullptr, *mean_gradient_ = nullptr;
};

}  // namespace weft
