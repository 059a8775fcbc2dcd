#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "weft/core/clock.h"
#include "weft/core/ranks.h"

namespace weft {

/// How far all ranks are. Every rank tells rank 0 now and then, rank 0 the others that it is still there.
class RankProgress {
 public:
  /// `done`: what this rank has already, which rank 0 knows from the start. All ranks call it.
  explicit RankProgress(Ranks& job, std::int64_t done = 0);

  /// This rank's own count. Throws RankError when a rank was silent for too long: on rank 0 any, on the others rank 0.
  void tell(std::int64_t done);
  /// On rank 0 the sum of what was told last; on others their own.
  std::int64_t total() const;
  /// This rank is done. Rank 0 returns when all are, and calls `changed` when another one told something.
  void finish(const std::function<void()>& changed = {});
  /// Returns when rank 0 calls it too, which goes on telling that it is there until then.
  void wait_for_first();

 private:
  struct Message {
    std::int64_t done;
    std::int64_t finished;
  };
  /// Reads what came, and returns whether anything did.
  bool listen();
  void beat();
  void post(int to, bool finished);

  Ranks& job_;
  std::vector<Message> told_;
  std::vector<Clock::time_point> heard_;
  Clock::time_point posted_{}, listened_ = Clock::now();
};

}  // namespace weft
