#pragma once
// Batches of a zoo's networks, read by a thread of their own while the one before is worked on: what a training on a
// zoo larger than the memory reads.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "weft/core/random.h"
#include "weft/zoo/store.h"

namespace weft {

/// The order in which an epoch reads n items that lie on a disk one behind the other, a permutation of 0 … n - 1. It is
/// cut into blocks of `block` neighbours. The blocks are put into a random order and taken `window` at a time, and the
/// items of a window into a random order, so that all that is read at a time lies in as many places as a window has
/// blocks. Where one window holds all, this is permutation(n, key).
/// Throws UsageError unless 0 <= n < 2^31 and block and window are 1 or more.
std::vector<std::int32_t> block_order(std::int64_t n, std::int64_t block, std::int64_t window, RandomKey key);

struct ZooLoaderConfig {
  std::int64_t batch = 8;                            ///< networks of one; the last of an epoch may be smaller
  std::uint64_t seed = 0;                            ///< of the orders
  std::int64_t block_bytes = std::int64_t{1} << 20;  ///< of weights; a block has one network at least
  std::int64_t window = 64;                          ///< blocks of it
  /// Of `ranks` that read the same batches: only what this one sees of each is read (seen_by() in core/ranks.h).
  int rank = 0, ranks = 1;
};

/// Reads networks of a zoo in epochs, each in a block_order() by its number and the seed alone: neither threads nor
/// time have a part in it. Holds two batches, the one that its user has and the next, whatever the zoo's size.
///     ZooLoader loader(zoo, zoo.ids(0, ZooPart::train), {.batch = 32});
///     loader.begin(1);
///     for (std::int64_t i = 0; i < loader.batches(); ++i) { const auto& batch = loader.next(); … }
class ZooLoader {
 public:
  struct Batch {
    std::vector<std::int64_t> ids;
    std::vector<Tensor> tensors;  ///< what `make` gave
  };
  /// Makes of a batch's weights, float32 [ids, taps, axes…] in the order of the space, what its user wants. They are
  /// written to again once that batch was used. Called by the loader's thread, whose parallel loops run on it alone.
  using Make = std::function<std::vector<Tensor>(std::span<const std::int64_t> ids, std::span<const Tensor> weights)>;

  /// Neighbours in the list are read together: ids in the order of the zoo's rows are read fastest. Throws UsageError
  /// for an unknown id, none, a config out of its range.
  ZooLoader(const Zoo& zoo, std::vector<std::int64_t> ids, const ZooLoaderConfig& config, Make make = {});
  /// Ends the thread, once it has read the batch that it is at.
  ~ZooLoader();

  std::int64_t batches() const;  ///< of an epoch
  /// From here on next() gives the batches of this epoch, 1 or more. One that is not through ends.
  void begin(std::int64_t epoch);
  /// Waits for a batch and lends it until the next call. Throws what reading it threw (ReadError, NumericError naming
  /// id and tensor, what `make` throws), then and from then on until begin(); UsageError after the last one.
  const Batch& next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft
