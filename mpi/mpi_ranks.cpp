// Ranks that speak by MPI: a module of its own, which core/ranks.cpp loads where a launcher started several processes.
// Nothing else of weft needs MPI, to be built or to run.

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include <mpi.h>

#include "weft/core/ranks.h"

namespace weft {
namespace {

/// One call of MPI counts in int.
constexpr std::size_t most_at_once = std::size_t{1} << 30;

class MpiRanks : public RankTransport {
 public:
  MpiRanks() {
    int begun = 0;
    MPI_Initialized(&begun);
    int provided = 0;  // other threads work, but only this one speaks
    if (!begun) MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_dup(MPI_COMM_WORLD, &job_);
    MPI_Comm_rank(job_, &rank_);
    MPI_Comm_size(job_, &size_);
    // A process that ends without it takes the others with it, as one that failed should.
    if (!begun)
      std::atexit([] {
        int ended = 0;
        MPI_Finalized(&ended);
        if (!ended) MPI_Finalize();
      });
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void* start_send(int to, int tag, std::span<const std::byte> bytes) override {
    if (unused_.empty()) unused_.push_back(std::make_unique<Pieces>());
    Pieces* pieces = sending_.emplace_back(std::move(unused_.back())).get();
    unused_.pop_back();
    pieces->clear();
    each_piece(bytes.size(), [&](std::size_t at, int n) {
      MPI_Isend(bytes.data() + at, n, MPI_BYTE, to, tag, job_, &pieces->emplace_back());
    });
    return pieces;
  }
  bool sent(void* started) override {
    auto* pieces = static_cast<Pieces*>(started);
    int done = 0;
    MPI_Testall(static_cast<int>(pieces->size()), pieces->data(), &done, MPI_STATUSES_IGNORE);
    if (!done) return false;
    const auto place = std::ranges::find(sending_, pieces, &std::unique_ptr<Pieces>::get);
    unused_.push_back(std::move(*place));
    sending_.erase(place);
    return true;
  }

  bool arrived(int from, int tag) override {
    int there = 0;
    MPI_Iprobe(from, tag, job_, &there, MPI_STATUS_IGNORE);
    return there != 0;
  }
  void receive(int from, int tag, std::span<std::byte> bytes) override {
    each_piece(bytes.size(), [&](std::size_t at, int n) {
      MPI_Recv(bytes.data() + at, n, MPI_BYTE, from, tag, job_, MPI_STATUS_IGNORE);
    });
  }

  void abort(int exit_code) override { MPI_Abort(job_, exit_code); }

 private:
  template <class Body>
  static void each_piece(std::size_t bytes, const Body& body) {
    for (std::size_t at = 0; at < bytes; at += most_at_once)
      body(at, static_cast<int>(std::min(most_at_once, bytes - at)));
  }

  using Pieces = std::vector<MPI_Request>;
  std::vector<std::unique_ptr<Pieces>> sending_, unused_;  ///< kept: steps allocate nothing
  MPI_Comm job_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
};

}  // namespace
}  // namespace weft

extern "C" __attribute__((visibility("default"))) weft::RankTransport* weft_start_ranks() { return new weft::MpiRanks; }
