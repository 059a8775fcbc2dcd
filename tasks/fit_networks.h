#pragma once
// The networks that a Fit reads: held in memory, or of a zoo that is too large for that, read as they are needed.

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "weft/tasks/fit.h"
#include "weft/zoo/loader.h"

namespace weft {

/// Throws UsageError for a target that the task does not have, DtypeError. `part` names the networks in messages.
void check_targets(const Task& task, std::int64_t outputs, const char* part, const Tensor& target);

/// Those that the steps of a training read, where the model lies.
class TrainNetworks {
 public:
  TrainNetworks(const Reader& model, const Task& task, Examples held);
  /// Of a zoo; the model is standardised by them, and may lie on a device. Held up to config.held bytes, else streamed
  /// (Fit says how).
  TrainNetworks(Reader& model, const Task& task, const Zoo& zoo, std::span<const std::int64_t> ids,
                const FitConfig& config);

  std::int64_t count() const { return count_; }
  bool streamed() const { return loader_ != nullptr; }
  /// All of them; of a streamed training those of the step, which stay where they are.
  const Examples& examples() const { return examples_; }
  /// Of a step of a streamed training: waits for its networks and brings them to examples(). Throws what reading them
  /// threw.
  void begin_epoch(std::int64_t epoch);
  void begin_step();
  /// The rows of one of the tensors of examples() that a step reads, by the numbers of its networks, int32 [n].
  Tensor of_step(Tape& tape, const Tensor& all, const Tensor& networks) const;

 private:
  /// Networks of few numbers each, for models that need all at once.
  void prepare_all(const Task& task, const Zoo& zoo, std::span<const std::int64_t> ids,
                   std::span<const Tensor> prepared);
  void stream(const Task& task, const Zoo& zoo, std::span<const std::int64_t> ids,
              const std::vector<std::int64_t>& sample, std::span<const Tensor> prepared, const FitConfig& config);

  const Reader& model_;
  std::int64_t count_;
  Examples examples_;
  std::unique_ptr<ZooLoader> loader_;
};

/// Of networks [begin, end), as a model reads them.
using TensorsOf = std::function<std::vector<Tensor>(std::int64_t begin, std::int64_t end)>;
TensorsOf slices_of(std::span<const Tensor> prepared);

/// Those that a training is judged on, by pieces.
struct JudgedNetworks {
  std::int64_t count;
  bool streamed;
  TensorsOf prepared;
  std::function<Tensor(std::int64_t begin, std::int64_t end)> target;  ///< on the CPU
};
JudgedNetworks judged_networks(const Reader& model, const Task& task, Examples held);
/// Of a zoo, for a model that is standardised: held up to config.held bytes, else read again for every judgement.
JudgedNetworks judged_networks(const Reader& model, const Task& task, const Zoo& zoo, std::vector<std::int64_t> ids,
                               const FitConfig& config);

}  // namespace weft
