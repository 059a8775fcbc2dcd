#!/usr/bin/env bash
# Builds and tests under the sanitizers: address + undefined (g++), thread (clang).
#   tools/sanitize.sh [asan] [tsan]
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh sanitizers
[ $# -gt 0 ] || set -- asan tsan
export WEFT_TEST_PATIENCE=10
for preset in "$@"; do
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset"
  if [ "$preset" = tsan ]; then
    TSAN_OPTIONS=halt_on_error=1:die_after_fork=0 WEFT_THREADS=2 tools/run_tests.sh "build/$preset"
  else
    # Tests ask for more memory than there is: that must be std::bad_alloc, as it is without the sanitizer.
    ASAN_OPTIONS=detect_stack_use_after_return=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 tools/run_tests.sh "build/$preset"
  fi
done
