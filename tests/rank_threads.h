#pragma once

#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>

#include "weft/core/ranks.h"

// Ranks that are threads of this process.

namespace weft::testing {

/// Where their messages lie until they are received.
struct RankMail {
  std::mutex mutex;
  std::map<std::tuple<int, int, int>, std::deque<std::vector<std::byte>>> letters;  ///< by from, to, tag
  int aborted = -1;                                                                 ///< the exit code
};

class ThreadTransport : public RankTransport {
 public:
  ThreadTransport(RankMail& mail, int rank, int size) : mail_(mail), rank_(rank), size_(size) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void* start_send(int to, int tag, std::span<const std::byte> bytes) override {
    const std::lock_guard lock(mail_.mutex);
    mail_.letters[{rank_, to, tag}].emplace_back(bytes.begin(), bytes.end());
    return nullptr;
  }
  bool sent(void*) override { return true; }
  bool arrived(int from, int tag) override {
    const std::lock_guard lock(mail_.mutex);
    if (mail_.aborted >= 0) throw RankError("[ranks] the job ended with {}", mail_.aborted);
    return !mail_.letters[{from, rank_, tag}].empty();
  }
  void receive(int from, int tag, std::span<std::byte> bytes) override {
    const std::lock_guard lock(mail_.mutex);
    auto& waiting = mail_.letters[{from, rank_, tag}];
    if (waiting.front().size() != bytes.size()) throw RankError("[ranks] a message of another size");
    std::memcpy(bytes.data(), waiting.front().data(), bytes.size());
    waiting.pop_front();
  }
  void abort(int exit_code) override {
    const std::lock_guard lock(mail_.mutex);
    if (mail_.aborted < 0) mail_.aborted = exit_code;
  }

 private:
  RankMail& mail_;
  int rank_, size_;
};

/// body(job) on each of `size` ranks. What the first of them throws ends the others and reaches the caller.
template <class Body>
void run_ranks(int size, const Body& body) {
  RankMail mail;
  std::exception_ptr first;
  std::vector<std::jthread> all;
  for (int rank = 0; rank < size; ++rank)
    all.emplace_back([&, rank] {
      Ranks job(std::make_unique<ThreadTransport>(mail, rank, size));
      try {
        body(job);
      } catch (...) {
        {
          const std::lock_guard lock(mail.mutex);
          if (mail.aborted < 0) first = std::current_exception();
        }
        job.abort(1);
      }
    });
  all.clear();
  if (first) std::rethrow_exception(first);
}

}  // namespace weft::testing
