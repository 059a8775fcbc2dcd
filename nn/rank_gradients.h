#pragma once
// Gradients of a model that several ranks train, each on its share of a mini-batch.

#include <memory>
#include <string>
#include <vector>

#include "weft/core/ranks.h"
#include "weft/nn/parameters.h"

namespace weft {

class DeviceLink;

/// Adds up what the backward passes of all ranks left in their copies of a model, so that all of them have the same
/// bits: a tree of the ranks' numbers alone fixes the order of the sums. One message goes each way at each level of the
/// tree. A gradient in factored form travels as its factors where those of all ranks are fewer numbers than it has.
/// From devices, on which gradients are whole, they go as the devices' link does.
class RankGradients {
 public:
  /// `whole`: factored gradients travel as numbers always, for ranks that add up several passes, perhaps not the same
  /// number of them. All ranks call it, with parameters alike.
  RankGradients(Parameters& parameters, Ranks& job, bool whole);
  ~RankGradients();

  /// All ranks call it after their backward passes, before the optimiser's step and the tape's reset(). What it gives
  /// is there until the next call.
  void add_up();

  /// Of the largest message of the last call.
  std::size_t message_bytes() const { return largest_; }
  /// Of a device's memory, beside the gradients.
  std::size_t device_bytes() const { return link_ ? received_.bytes() : 0; }
  /// Of devices: DeviceLink::detour().
  std::string detour() const;

 private:
  using Bytes = std::vector<std::byte>;
  struct Packed;
  struct OnDevice;
  void choose_forms();
  void pack();
  void add(const Bytes& other);
  void unpack();
  std::int64_t whole_numbers() const;

  Parameters& parameters_;
  Ranks& job_;
  DType dtype_;
  std::unique_ptr<DeviceLink> link_;    ///< of models on a device
  Tensor received_;                     ///< there
  std::vector<int> formed_, factored_;  ///< parameters with a factored gradient, by how it travels
  bool chosen_ = false;
  Bytes own_, other_;  ///< numbers that are added up, then factors, rank behind rank
  std::size_t largest_ = 0;
  std::vector<OuterSum> sums_;
  std::vector<std::size_t> heads_;  ///< where the factors of each begin
};

}  // namespace weft
