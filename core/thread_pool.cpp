#include "weft/core/thread_pool.h"

#include <system_error>
#include <thread>
#include <utility>

#include <pthread.h>

#include "weft/core/clock.h"
#include "weft/core/loops_alone.h"

namespace weft {
namespace {

/// True on a thread that is inside a loop, or has its loops alone.
thread_local bool inside = false;

void pause_core() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

/// Waits for ready() at most about this long without sleeping; then says whether it is.
template <class Ready>
bool spin(std::chrono::nanoseconds most, const Ready& ready) {
  for (const auto end = Clock::now() + most; Clock::now() < end;)
    for (int i = 0; i < 16; ++i) {
      if (ready()) return true;
      pause_core();
    }
  return ready();
}

// To fall asleep and wake up takes some 10 us on a quiet machine: between two loops of a step it does not pay, where
// others want the core it does.
constexpr std::chrono::microseconds before_sleep{100}, at_the_end{50};

std::atomic<ThreadPool*> of_this_process = nullptr;

}  // namespace

LoopsAlone::LoopsAlone() : before_(std::exchange(inside, true)) {}
LoopsAlone::~LoopsAlone() { inside = before_; }

ThreadPool& ThreadPool::of_process() {
  // Never destroyed: its threads sleep on it until the process ends. A fork has none of them, and starts afresh.
  static const bool once = [] {
    of_this_process = new ThreadPool;
    pthread_atfork(nullptr, nullptr, [] {
      of_this_process = new ThreadPool;
      inside = false;
    });
    return true;
  }();
  static_cast<void>(once);
  return *of_this_process;
}

bool ThreadPool::run(std::int64_t blocks, int team, const BlockLoop& loop) {
  if (inside || busy_.exchange(true, std::memory_order_acquire)) return false;
  try {
    start(team);
  } catch (...) {
    busy_.store(false, std::memory_order_release);
    throw;
  }
  loop_ = loop;
  team_ = team;
  error_ = nullptr;
  failed_.store(false, std::memory_order_relaxed);
  error_taken_.store(false, std::memory_order_relaxed);
  for (int w = 0; w < team; ++w) {
    shares_[static_cast<std::size_t>(w)].next.store(blocks * w / team, std::memory_order_relaxed);
    shares_[static_cast<std::size_t>(w)].end = blocks * (w + 1) / team;
  }
  gate_.store(1, std::memory_order_release);
  bell_.fetch_add(1);
  bell_.notify_all();
  work(0);
  close_and_wait();
  const std::exception_ptr error = std::move(error_);
  busy_.store(false, std::memory_order_release);
  if (error) std::rethrow_exception(error);
  return true;
}

/// Makes room for `team` shares, and starts threads as far as the system lets us: any number of them will do.
void ThreadPool::start(int team) {
  if (team > capacity_) {
    shares_ = std::make_unique<Share[]>(static_cast<std::size_t>(team));
    capacity_ = team;
  }
  for (; started_ < team - 1; ++started_) try {
      std::thread([this, worker = started_ + 1] { serve(worker); }).detach();
    } catch (const std::system_error&) {  // no more of them to be had
      started_ = team - 1;
      return;
    }
}

void ThreadPool::serve(int worker) {
  inside = true;
  for (std::uint32_t heard = 0;;) {
    auto rung = [&] { return bell_.load(std::memory_order_acquire) != heard; };
    if (!spin(before_sleep, rung)) bell_.wait(heard);
    heard = bell_.load(std::memory_order_acquire);
    if (!join()) continue;
    if (worker < team_) work(worker);
    leave();
  }
}

bool ThreadPool::join() {
  std::uint32_t gate = gate_.load(std::memory_order_relaxed);
  while (gate & 1)
    if (gate_.compare_exchange_weak(gate, gate + 2, std::memory_order_acquire, std::memory_order_relaxed)) return true;
  return false;
}

void ThreadPool::leave() {
  // The last one out of a closed loop wakes the thread that waits for its end.
  if (gate_.fetch_sub(2, std::memory_order_release) == 2) gate_.notify_one();
}

void ThreadPool::close_and_wait() {
  std::uint32_t gate = gate_.fetch_sub(1, std::memory_order_acq_rel) - 1;
  auto empty = [&] { return (gate = gate_.load(std::memory_order_acquire)) == 0; };
  if (gate == 0 || spin(at_the_end, empty)) return;
  while (!empty()) gate_.wait(gate);
}

void ThreadPool::work(int worker) {
  inside = true;
  try {
    for (int i = 0; i < team_; ++i) {
      Share& share = shares_[static_cast<std::size_t>((worker + i) % team_)];
      // Relaxed: a block's data became visible when its worker joined.
      while (!failed_.load(std::memory_order_relaxed)) {
        const std::int64_t block = share.next.fetch_add(1, std::memory_order_relaxed);
        if (block >= share.end) break;
        loop_.block(loop_.body, block, worker);
      }
    }
  } catch (...) {
    if (!error_taken_.exchange(true)) error_ = std::current_exception();
    failed_.store(true, std::memory_order_relaxed);
  }
  inside = worker != 0;
}

}  // namespace weft
