#!/usr/bin/env bash
# Builds and tests under the sanitizers: address + undefined (g++), thread (clang, libomp with its archer tool, serial BLAS).
#   tools/sanitize.sh [asan] [tsan]
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh sanitizers
[ $# -gt 0 ] || set -- asan tsan
for preset in "$@"; do
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset"
  if [ "$preset" = tsan ]; then
    # archer tells the thread sanitizer about OpenMP's own synchronisation; without it every parallel loop is a false race.
    OMP_TOOL_LIBRARIES=/usr/lib/llvm-14/lib/libarcher.so TSAN_OPTIONS="ignore_noninstrumented_modules=1 halt_on_error=1" \
      WEFT_THREADS=2 tools/run_tests.sh "build/$preset"
  else
    ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 tools/run_tests.sh "build/$preset"
  fi
done
