// A loop whose iterations write to one place: the thread sanitizer must see it, or its silence elsewhere says nothing.

#include "weft/core/parallel.h"

int main() {
  weft::set_threads(2);
  std::int64_t sum = 0;
  for (int i = 0; i < 100; ++i) weft::parallel_blocks(64, 1, [&](std::int64_t begin, std::int64_t) { sum += begin; });
  return sum == 0 ? 1 : 0;
}
