#include "weft/core/rank_progress.h"

#include <algorithm>
#include <span>
#include <thread>

#include "weft/core/stop.h"

namespace weft {
namespace {

constexpr double between_messages = 0.2;  // seconds
constexpr auto waiting = std::chrono::milliseconds(5);

}  // namespace

RankProgress::RankProgress(Ranks& job, std::int64_t done)
    : job_(job), told_(static_cast<std::size_t>(job.size())), heard_(told_.size(), Clock::now()) {
  const std::vector<std::int64_t> all = job.all_of(done);
  for (std::size_t rank = 0; rank < all.size(); ++rank) told_[rank].done = all[rank];
}

void RankProgress::post(int to, bool finished) {
  const Message message{told_[static_cast<std::size_t>(job_.rank())].done, finished};
  job_.send(to, std::as_bytes(std::span(&message, 1)), RankTag::progress);
}

bool RankProgress::listen() {
  // What others said while this rank did not listen may need a moment to arrive.
  if (seconds_since(listened_) > job_.timeout / 2) heard_.assign(heard_.size(), Clock::now());
  listened_ = Clock::now();
  bool any = false;
  for (int from = 0; from < job_.size(); ++from) {
    if (from == job_.rank() || (from > 0 && !job_.first())) continue;
    const auto i = static_cast<std::size_t>(from);
    while (job_.arrived(from, RankTag::progress)) {
      job_.receive(from, std::as_writable_bytes(std::span(&told_[i], 1)), RankTag::progress);
      heard_[i] = Clock::now();
      any = true;
    }
    if (told_[i].finished == 0) job_.check_silence(from, heard_[i]);
  }
  return any;
}

/// On rank 0 the others are told that it is there, elsewhere rank 0 how far this one is.
void RankProgress::beat() {
  const double often = job_.timeout > 0 ? std::min(between_messages, job_.timeout / 4) : between_messages;
  if (seconds_since(posted_) < often) return;
  posted_ = Clock::now();
  if (!job_.first()) return post(0, false);
  for (int to = 1; to < job_.size(); ++to) post(to, false);
}

void RankProgress::tell(std::int64_t done) {
  told_[static_cast<std::size_t>(job_.rank())].done = done;
  beat();
  listen();
}

std::int64_t RankProgress::total() const {
  std::int64_t sum = 0;
  for (const Message& one : told_) sum += one.done;
  return job_.first() ? sum : told_[static_cast<std::size_t>(job_.rank())].done;
}

void RankProgress::finish(const std::function<void()>& changed) {
  if (!job_.first()) return post(0, true);
  const auto all = [&] {
    beat();
    stop_point();
    if (listen() && changed) changed();
    return std::all_of(told_.begin() + 1, told_.end(), [](const Message& one) { return one.finished != 0; });
  };
  while (!all()) std::this_thread::sleep_for(waiting);
}

void RankProgress::wait_for_first() {
  if (job_.first()) {
    for (int to = 1; to < job_.size(); ++to) post(to, true);
    return;
  }
  while (listen(), told_[0].finished == 0) {
    stop_point();
    std::this_thread::sleep_for(waiting);
  }
}

}  // namespace weft
