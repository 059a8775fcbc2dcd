// Parallel loops: every block once, exceptions carried out, loops within loops and beside each other, threads that are
// held up, and processes that fork.

#include "weft/core/parallel.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weft/core/error.h"
#include "weft/core/random.h"
#include "weft/tests/with_threads.h"

using namespace weft;
using namespace weft::testing;

namespace {

/// How often a loop over n items visits each, and whether its blocks and workers are as promised.
std::vector<int> visits(std::int64_t n, std::int64_t grain) {
  std::vector<int> count(static_cast<std::size_t>(n));
  std::atomic<bool> good = true;
  parallel_workers(n, grain, [&](std::int64_t begin, std::int64_t end, int worker) {
    if (begin % grain != 0 || end != std::min(n, begin + grain) || worker < 0 || worker >= threads()) good = false;
    for (std::int64_t i = begin; i < end; ++i) ++count[static_cast<std::size_t>(i)];
  });
  CHECK(good);
  return count;
}

}  // namespace

TEST_CASE("every block runs once, whatever the number of items, blocks and threads") {
  for (const int team : {1, 2, 3, 8}) {
    const WithThreads with(team);
    for (std::uint64_t trial = 0; trial < 300; ++trial) {
      const RandomKey key = RandomKey(1, "loops").at(trial);
      const auto n = static_cast<std::int64_t>(uniform_index(key, 0, 200));
      const auto grain = 1 + static_cast<std::int64_t>(uniform_index(key, 1, 20));
      CHECK(visits(n, grain) == std::vector<int>(static_cast<std::size_t>(n), 1));
    }
  }
}

TEST_CASE("an exception of the body reaches the caller, and the next loop runs as ever") {
  for (const int team : {1, 2, 4}) {
    const WithThreads with(team);
    for (std::int64_t thrower = 0; thrower < 64; ++thrower) {
      std::atomic<int> ran = 0;
      const auto loop = [&] {
        parallel_blocks(64, 1, [&](std::int64_t i, std::int64_t) {
          if (i == thrower) throw UsageError("[test] block {}", i);
          ++ran;
        });
      };
      CHECK_THROWS_WITH_AS(loop(), ("[test] block " + std::to_string(thrower)).c_str(), UsageError);
      CHECK(ran < 64);
    }
    CHECK(visits(64, 1) == std::vector<int>(64, 1));
  }
}

TEST_CASE("of many exceptions one arrives") {
  const WithThreads with(4);
  for (int trial = 0; trial < 100; ++trial)
    CHECK_THROWS_AS(parallel_blocks(64, 1, [](std::int64_t, std::int64_t) { throw std::runtime_error("each"); }),
                    std::runtime_error);
}

TEST_CASE("a loop within a loop runs on its thread alone") {
  const WithThreads with(3);
  std::atomic<int> ran = 0, strangers = 0;
  parallel_blocks(8, 1, [&](std::int64_t, std::int64_t) {
    const auto self = std::this_thread::get_id();
    parallel_workers(8, 1, [&](std::int64_t, std::int64_t, int worker) {
      ++ran;
      if (worker != 0 || std::this_thread::get_id() != self) ++strangers;
    });
  });
  CHECK(ran == 64);
  CHECK(strangers == 0);
}

TEST_CASE("threads of the program run loops beside each other") {
  const WithThreads with(2);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (int c = 0; c < 3; ++c)
    callers.emplace_back([&] {
      for (int trial = 0; trial < 200; ++trial) {
        std::atomic<std::int64_t> sum = 0;
        parallel_blocks(100, 7, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) sum += i;
        });
        if (sum != 4950) ++wrong;
      }
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(wrong == 0);
}

TEST_CASE("a thread that is held up holds up its own block only") {
  const WithThreads with(2);
  // Whoever takes the first block keeps it until all others are done, by whom else than the other thread.
  std::atomic<int> others = 0;
  std::atomic<bool> in_time = true;
  parallel_blocks(100, 1, [&](std::int64_t i, std::int64_t) {
    if (i != 0) {
      ++others;
      return;
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (others < 99 && in_time) {
      in_time = std::chrono::steady_clock::now() < end;
      std::this_thread::yield();
    }
  });
  CHECK(in_time);
}

TEST_CASE("a process that was forked has threads of its own") {
  const WithThreads with(2);
  CHECK(visits(64, 1) == std::vector<int>(64, 1));
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::atomic<int> ran = 0;
    parallel_blocks(64, 1, [&](std::int64_t, std::int64_t) { ++ran; });
    _exit(ran == 64 ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("numbers of threads that make no sense") {
  CHECK_THROWS_WITH_AS(set_threads(0), "[threads] 0 asked for; allowed: 1 to 1024", UsageError);
  CHECK_THROWS_AS(set_threads(1025), UsageError);
}
