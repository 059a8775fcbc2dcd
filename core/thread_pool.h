#pragma once
// The threads behind core/parallel.h. Internal to core.

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>

#include "weft/core/parallel.h"

namespace weft {

/// Threads that wait for loops. One loop runs at a time. It is open from its start until its last block was begun: only
/// then may a thread join it, and only for those that joined does it wait at its end.
class ThreadPool {
 public:
  /// The one of this process; a process that was forked gets its own.
  static ThreadPool& of_process();

  /// Runs the loop on the calling thread, which is worker 0, and on up to team - 1 others. False, and nothing was done,
  /// when a loop is running already: of another thread of the program, or the one that this call is part of.
  bool run(std::int64_t blocks, int team, const BlockLoop& loop);

 private:
  /// What a worker does first: a run of neighbouring blocks, the same in every loop of one size, so that its core's
  /// cache has them. Whoever has done its own takes from the others.
  struct alignas(64) Share {
    std::atomic<std::int64_t> next;
    std::int64_t end;
  };

  ThreadPool() = default;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  void start(int team);
  void serve(int worker);
  bool join();
  void leave();
  void work(int worker);
  void close_and_wait();

  // The loop that runs. Written while nobody has joined.
  BlockLoop loop_{};
  std::unique_ptr<Share[]> shares_;
  int team_ = 0, capacity_ = 0;
  std::exception_ptr error_;
  std::atomic<bool> failed_ = false, error_taken_ = false;

  std::atomic<bool> busy_ = false;
  /// Twice the number of threads that have joined, plus one while the loop is open.
  alignas(64) std::atomic<std::uint32_t> gate_ = 0;
  /// Rung when a loop opens.
  alignas(64) std::atomic<std::uint32_t> bell_ = 0;
  int started_ = 0;  ///< threads, or what was tried in vain
};

}  // namespace weft
