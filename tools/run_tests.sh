#!/usr/bin/env bash
# Runs the ctest tests of a build folder and closes with their count.
set -uo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
ctest --test-dir "$1" --output-on-failure 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
skipped=$(grep -cE '\*\*\*Skipped|Not Run' "$log")
failed=$(grep -cE '\*\*\*(Failed|Timeout|Exception)' "$log")
passed=$(grep -cE ' Passed +[0-9.]+ sec' "$log")
echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
