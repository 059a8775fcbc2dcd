#pragma once
// The training of populations on a device: as many networks at once as fit into a fixed amount of memory, each step of
// all of them a few dozen launches. A step only enqueues, at the same addresses every time: what changes from step to
// step (items, learning rates, keys of random numbers) lies in the device's memory for a whole epoch, and every network
// counts its own steps there. So a step is recorded once for each group of networks and epoch (nn/step_recorder.h) and
// replayed from then on.

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "weft/core/backend.h"
#include "weft/networks/population/device_networks.h"
#include "weft/networks/population/population_draws.h"

namespace weft {

class DevicePopulation {
 public:
  /// Fixed, not what happens to be free: which networks run together, and with it the bits, must not depend on that.
  static constexpr std::int64_t bytes_at_once = std::int64_t{2} << 30;

  /// What is trained: the tensors of PopulationTrainer, on the CPU.
  struct State {
    const std::vector<Tensor>&weights, &first, &second;
    std::span<std::int32_t> diverged_at;
  };

  /// All outlive this. Throws DeviceError, OutOfDeviceMemory, and UsageError for what only the CPU does.
  DevicePopulation(Backend& backend, const PopulationModel& model, const Dataset& train, const PopulationDraws& draws,
                   std::int64_t bytes = bytes_at_once);
  ~DevicePopulation();

  /// What one network takes while it is trained.
  std::int64_t bytes_of_network() const;
  std::int64_t networks_at_once() const { return at_once_; }
  /// Why the steps of some group were launched one by one; empty where all were replayed.
  const std::string& fallback() const { return fallback_; }

  /// PopulationTrainer::train_epoch() for epoch number `epoch` from 0.
  void train_epoch(std::int64_t epoch, const State& state, const std::function<void(std::int64_t)>& progress);
  /// Of all networks.
  std::vector<Score> evaluate(const std::vector<Tensor>& weights, const Dataset& data, const ItemLists& items);

 private:
  struct Inputs;
  struct Resident;

  std::vector<float> gather(const std::vector<Tensor>& tensors, const std::vector<std::int64_t>& networks) const;
  void scatter(const float* from, const std::vector<Tensor>& tensors, const std::vector<std::int64_t>& networks) const;
  Inputs inputs(std::vector<std::int64_t> networks, std::int64_t steps, bool shared) const;
  Inputs training_inputs(std::int64_t epoch, const State& state, std::vector<std::int64_t> networks) const;
  void add_items(Inputs& to, std::size_t network, const Dataset& data, std::span<const std::int32_t> items) const;
  Resident place(const Inputs& inputs, const DeviceData& data);
  /// Networks [0, count) of a list in groups of nearly one size.
  std::vector<std::vector<std::int64_t>> groups(const std::vector<std::int64_t>& networks) const;

  Backend& backend_;
  const PopulationModel& model_;
  const Dataset& train_;
  const PopulationDraws& draws_;
  std::unique_ptr<DeviceNetworks> networks_;
  std::int64_t streams_, at_once_;
  Arena resident_, guest_, group_;  ///< for good; for another data set; for one group of networks
  DeviceData train_data_;
  const std::uint8_t* decays_;
  std::string fallback_;
};

}  // namespace weft
