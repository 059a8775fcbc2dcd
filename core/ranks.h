#pragma once
// The processes of one job, which mpirun or Slurm started together, on one machine or many (docs/many-machines.md).
// Most programs are one process; then nothing is loaded, and everything here returns at once.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "weft/core/error.h"

namespace weft {

/// A job whose processes cannot speak to one another, or one of which does not answer.
class RankError : public Error {
 public:
  template <class... Args>
  explicit RankError(fmt::format_string<Args...> message, Args&&... args)
      : Error(fmt::format(message, std::forward<Args>(args)...)) {}
};

/// How they speak. One for MPI is a module that is loaded where a launcher started the process (mpi/mpi_ranks.cpp), so
/// that one program runs with MPI and without. Called by one thread at a time.
class RankTransport {
 public:
  virtual ~RankTransport() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Begins to send; the bytes stay where they are until sent() says so, once.
  virtual void* start_send(int to, int tag, std::span<const std::byte> bytes) = 0;
  virtual bool sent(void* started) = 0;
  /// Whether receive() would return at once. Messages of one rank and tag keep their order.
  virtual bool arrived(int from, int tag) = 0;
  virtual void receive(int from, int tag, std::span<std::byte> bytes) = 0;
  /// Ends all processes of the job.
  virtual void abort(int exit_code) = 0;
};

/// What a message is about: those of different tags do not wait for one another.
enum class RankTag : std::uint8_t { data, progress };

/// Waits end in a RankError once another rank was silent for `timeout` seconds; 0: they last for ever.
class Ranks {
 public:
  /// Null: one process, rank 0 of 1.
  explicit Ranks(std::unique_ptr<RankTransport> transport = {});
  ~Ranks();

  int rank() const { return rank_; }
  int size() const { return size_; }
  bool first() const { return rank_ == 0; }
  double timeout = 0;

  /// Returns once the bytes may be changed, which may be before they arrive.
  void send(int to, std::span<const std::byte> bytes, RankTag tag = RankTag::data);
  void receive(int from, std::span<std::byte> bytes, RankTag tag = RankTag::data);
  bool arrived(int from, RankTag tag) const;

  /// The same of as many bytes as there are: the other rank's size is not known here.
  void send_bytes(int to, std::span<const std::byte> bytes);
  void receive_bytes(int from, std::vector<std::byte>& bytes);
  /// Both at once, with a rank that does the same.
  void exchange(int with, std::span<const std::byte> own, std::vector<std::byte>& other);

  /// Rank 0's text, on all ranks.
  std::string broadcast(const std::string& text);
  /// On rank 0 the texts of all ranks in their order; nothing on the others.
  std::vector<std::string> gather(const std::string& text);
  /// All ranks' bytes, one behind the other's, on all of them.
  std::string all_gather(const std::string& own);
  /// One number of each rank in their order, on all of them.
  template <class T>
  std::vector<T> all_of(T own) {
    const std::string all = all_gather({reinterpret_cast<const char*>(&own), sizeof own});
    std::vector<T> numbers(all.size() / sizeof own);
    std::memcpy(numbers.data(), all.data(), all.size());
    return numbers;
  }
  /// The first rank that says another number than rank 0, say a hash of what all should have; 0 where none does.
  int first_unlike(std::uint64_t own);
  /// Added up in the order of the ranks, on all of them.
  double all_sum(double own);

  /// Ends all processes of the job, of which the launcher returns the code. One alone goes on.
  void abort(int exit_code);

 private:
  /// Returns when ready() does; calls it again and again, ever more rarely.
  template <class Ready>
  void wait(const Ready& ready, int for_rank) const;
  /// Throws RankError when `heard`, the last sign of `rank`, is more than `timeout` seconds ago; never where that is 0.
  void check_silence(int rank, std::chrono::steady_clock::time_point heard) const;
  friend class RankProgress;
  std::unique_ptr<RankTransport> transport_;
  int rank_ = 0, size_ = 1;
};

/// Of `n` things the first, and the one behind the last, that a rank of `size` takes: neighbours, as many as any other
/// takes, or one more.
inline std::pair<std::int64_t, std::int64_t> share_of(std::int64_t n, int rank, int size) {
  return {n * rank / size, n * (rank + 1) / size};
}

/// The same of a step that all ranks take: one without a share looks at a neighbour's, which then counts for nothing.
inline std::pair<std::int64_t, std::int64_t> seen_by(std::int64_t n, int rank, int size) {
  const auto [first, end] = share_of(n, rank, size);
  return first < end ? std::pair{first, end} : std::pair{std::min(first, n - 1), std::min(first, n - 1) + 1};
}

/// Rank 0 of 1.
Ranks& one_process();
/// How many processes the launcher of this one says it started; 1 without one, or where WEFT_RANKS=1 says that each is
/// to work alone. Asks the environment alone.
int launched_ranks();
/// This one's number among them; 0 without them.
int launched_rank();
/// Those of this process' job. The first call loads the module. Throws RankError when a launcher started several
/// processes and there is no module, or it cannot be loaded.
Ranks& ranks();

/// Another text on each machine.
std::string machine_name();
/// Threads for each rank of a machine, so that all of them together are not more than its processors: those that this
/// process may use, divided among the ranks that may use the same ones; at least 1. All ranks call it.
int threads_of_rank(Ranks& job);
/// Its number among the job's ranks on its machine, 0 for the first. All ranks call it.
int rank_on_machine(Ranks& job);

}  // namespace weft
