#pragma once
// Zoos of small networks, from data to disk.

#include <functional>
#include <map>

#include "weft/core/ranks.h"
#include "weft/networks/architecture.h"
#include "weft/networks/population/population_trainer.h"
#include "weft/zoo/store.h"

namespace weft {

struct ZooPlan {
  std::vector<TrainingRecipe> recipes;  ///< one for each network
  /// The last training items, on which the best epoch is found: not trained on. With them every network has a
  /// checkpoint of its best epoch, and checkpoints have names.
  std::int64_t held_out = 0;
  TrainingPlan training{};                        ///< its seed is the zoo's
  std::string generator{};                        ///< "weft 0.1.0"
  std::map<std::string, std::string> settings{};  ///< what else the zoo says of itself: {"grid", "full"}
  Backend* backend = nullptr;                     ///< where the networks are trained; null is the CPU
  std::optional<ZooRange> part{};                 ///< to make only these networks, for merge_zoo(); recipes are of all
};

/// Of an architecture, as it is usual: so many networks, trained for so many epochs.
ZooPlan usual_plan(const InputArchitecture& architecture, std::int64_t networks, std::int64_t epochs,
                   std::int64_t batch, std::int64_t items, std::uint64_t seed);

struct ZooProgress {
  std::function<void(std::int64_t done)> begin{};  ///< once, with what an earlier run had done, in networks x epochs
  std::function<void(std::int64_t done, std::int64_t total)> training{};  ///< in networks x epochs
  /// Called when the state after an epoch is safe: the moment to stop. May throw.
  std::function<void()> safe_point{};
  std::function<void(const std::string&)> remark{};  ///< once for each slow path that was taken, saying why
};

/// Peak signal to noise ratio of pixels in [-1, 1], in dB: 10 log10(4 / error); an error below 1e-12 counts as that.
double psnr(double mean_squared_error);

/// Trains the networks and writes checkpoints after the plan's percents of the epochs; after an
/// epoch the state is saved, a large one so often that it takes a twentieth of the time. Implicit networks store the
/// images of `train`, as bytes have them; `test` is not read then. With Existing::resume it goes on where a killed run
/// stopped and ends with the same bytes; on another kind of device it is refused, as another description. The ranks of
/// a job share the networks among them (zoo/zoo_pieces.h), all of them call it, and the bytes are the same again; what
/// `progress` is told on rank 0 is of all ranks. Throws UsageError for a plan that cannot be trained, before anything
/// is written; what ZooWriter, PopulationTrainer and Ranks throw.
void make_zoo(const std::filesystem::path& folder, const PopulationModel& model, const Dataset& train,
              const Dataset& test, const ZooPlan& plan, ZooWriter::Existing existing, const ZooProgress& progress = {},
              Ranks& job = one_process());

}  // namespace weft
