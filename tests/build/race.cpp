// A loop whose iterations write to one place: the thread sanitizer must see it, or its silence elsewhere says nothing.

#include <chrono>
#include <thread>

#include "weft/core/parallel.h"

int main() {
  weft::set_threads(2);
  std::int64_t sum = 0;
  // A block that sleeps leaves the next one to the other thread, on a busy machine too.
  weft::parallel_blocks(64, 1, [&](std::int64_t begin, std::int64_t) {
    sum += begin;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  });
  return sum == 0 ? 1 : 0;
}
