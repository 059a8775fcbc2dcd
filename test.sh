#!/usr/bin/env bash
# Builds everything and runs all tests. The last line is `N passed, N failed, N skipped`.
set -euo pipefail
cd "$(dirname "$0")"
tools/setup.sh tests
cmake --preset release
cmake --build --preset release
exec tools/run_tests.sh build/release
