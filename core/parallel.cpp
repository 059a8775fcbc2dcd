#include "weft/core/parallel.h"

#include <cstdlib>

#include <omp.h>

#include "weft/core/error.h"

namespace weft {
namespace {

/// More threads than any machine has: OpenMP ends the program when it cannot start them.
constexpr int most_threads = 1024;

int& current() {
  static int n = [] {
    const char* text = std::getenv("WEFT_THREADS");
    if (!text) return omp_get_max_threads();
    const int asked = std::atoi(text);
    if (asked < 1 || asked > most_threads)
      throw UsageError("[threads] WEFT_THREADS is '{}'; allowed: 1 to {}", text, most_threads);
    return asked;
  }();
  return n;
}

}  // namespace

int threads() { return current(); }

void set_threads(int n) {
  if (n < 1 || n > most_threads) throw UsageError("[threads] {} asked for; allowed: 1 to {}", n, most_threads);
  current() = n;
}

}  // namespace weft
