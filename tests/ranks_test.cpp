// Ranks: what they tell one another, and what happens to one that says nothing.

#include <chrono>

#include <doctest/doctest.h>

#include "weft/core/rank_progress.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"
#include "weft/tests/rank_threads.h"

using namespace weft;
using namespace weft::testing;

TEST_CASE("ranks: texts go from rank 0 to all and from all to rank 0, in their order") {
  for (const int size : {1, 2, 3, 8})
    run_ranks(size, [&](Ranks& job) {
      for (int round = 0; round < 20; ++round) {
        const std::string mine =
            fmt::format("{} of round {}", std::string(static_cast<std::size_t>(job.rank()), 'x'), round);
        const std::vector<std::string> all = job.gather(mine);
        // A CHECK of doctest is not for threads.
        bool right = all.size() == (job.first() ? static_cast<std::size_t>(size) : 0);
        for (std::size_t r = 0; r < all.size(); ++r)
          right &= all[r] == fmt::format("{} of round {}", std::string(r, 'x'), round);
        right &=
            job.broadcast(job.first() ? fmt::format("round {}", round) : "not heard") == fmt::format("round {}", round);

        std::string digits;
        for (int r = 0; r < size; ++r) digits += std::to_string(r);
        right &= job.all_gather(std::to_string(job.rank())) == digits;
        right &= job.first_unlike(7) == 0 && job.first_unlike(job.rank() < 2 ? 7 : 8) == (size > 2 ? 2 : 0);
        right &= std::ssize(job.all_of(job.rank())) == size && job.all_of(job.rank())[0] == 0;
        right &= rank_on_machine(job) == job.rank();
        right &= job.all_sum(job.rank() + round) == size * (size - 1) / 2 + size * round;
        std::vector<std::byte> other;
        if (const int with = job.rank() ^ 1; with < size) {
          job.exchange(with, std::as_bytes(std::span(mine)), other);
          right &= std::string(reinterpret_cast<const char*>(other.data()), other.size()) ==
                   fmt::format("{} of round {}", std::string(static_cast<std::size_t>(with), 'x'), round);
        }
        if (!right) throw std::runtime_error("another text");
      }
    });
}

TEST_CASE("ranks: shares are neighbours, all of them together everything, and nobody sees nothing") {
  for (std::int64_t n = 1; n < 14; ++n)
    for (int size = 1; size < 16; ++size) {
      std::int64_t next = 0;
      for (int rank = 0; rank < size; ++rank) {
        const auto [first, end] = share_of(n, rank, size);
        CHECK(first == next);
        CHECK((end - first == n / size || end - first == n / size + 1));
        next = end;
        const auto [from, to] = seen_by(n, rank, size);
        CHECK((0 <= from && from < to && to <= n));
        if (first < end) CHECK((from == first && to == end));
      }
      CHECK(next == n);
    }
}

TEST_CASE("ranks: one process needs no others") {
  Ranks alone;
  CHECK((alone.first() && alone.rank() == 0 && alone.size() == 1));
  CHECK(alone.broadcast("here") == "here");
  CHECK(alone.gather("here") == std::vector<std::string>{"here"});
  CHECK(alone.all_gather("here") == "here");
  CHECK(alone.all_sum(2.5) == 2.5);
  CHECK((alone.first_unlike(7) == 0 && alone.all_of(2.5) == std::vector{2.5} && rank_on_machine(alone) == 0));
  alone.abort(3);
  RankProgress progress(alone);
  progress.tell(7);
  progress.finish();
  progress.wait_for_first();
  CHECK(progress.total() == 7);
  CHECK(threads_of_rank(alone) >= 1);
}

TEST_CASE("ranks: rank 0 knows how far all are, and returns when they are done") {
  for (const int size : {2, 5})
    run_ranks(size, [&](Ranks& job) {
      RankProgress progress(job);
      for (int done = 1; done <= 10; ++done) progress.tell(done * (job.rank() + 1));
      progress.finish();
      if (job.first() && progress.total() != 10 * size * (size + 1) / 2) throw std::runtime_error("another sum");
      progress.wait_for_first();
    });
}

TEST_CASE("ranks: one that is silent ends the others, which say so") {
  for (const int silent : {0, 1, 2}) {
    const std::string message = message_of<RankError>([&] {
      run_ranks(3, [&](Ranks& job) {
        job.timeout = 0.2;
        RankProgress progress(job);
        // It comes back when the others have given up.
        if (job.rank() == silent) std::this_thread::sleep_for(std::chrono::milliseconds(1500));
        progress.finish();
        progress.wait_for_first();
      });
    });
    INFO(message);
    CHECK(message.starts_with(fmt::format("[ranks] rank {} has been silent for 0 s; look at its machine", silent)));
  }
  CHECK(message_of<RankError>([&] {
          run_ranks(2, [](Ranks& job) {
            job.timeout = 0.05;
            if (job.first()) job.gather("here");
          });
        }).starts_with("[ranks] rank 1 has been silent"));
}

TEST_CASE("ranks: the launcher says how many there are") {
  CHECK((launched_ranks() == 1 && launched_rank() == 0));
  CHECK(ranks().size() == 1);
}
