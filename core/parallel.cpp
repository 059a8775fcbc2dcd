#include "weft/core/parallel.h"

#include <cstdlib>

#include <omp.h>

#include "weft/core/error.h"

namespace weft {
namespace {

int& current() {
  static int n = [] {
    const char* text = std::getenv("WEFT_THREADS");
    if (!text) return omp_get_max_threads();
    const int asked = std::atoi(text);
    if (asked < 1) throw UsageError("[threads] WEFT_THREADS is '{}'; allowed: 1 or more", text);
    return asked;
  }();
  return n;
}

}  // namespace

int threads() { return current(); }

void set_threads(int n) {
  if (n < 1) throw UsageError("[threads] {} asked for; allowed: 1 or more", n);
  current() = n;
}

}  // namespace weft
