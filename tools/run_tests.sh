#!/usr/bin/env bash
# Runs the ctest tests of a build folder, two at a time, and closes with their count. A test that was not built or whose fixture
# failed has failed.
set -uo pipefail
report=$(mktemp)
trap 'rm -f "$report"' EXIT
ctest --test-dir "$1" -j2 --no-tests=error --output-on-failure --output-junit "$report"
status=$?
count() { grep -cE "$1" "$report"; }
passed=$(count '^\s<testcase .* status="run">')
skipped=$(count '^\s(<testcase .* status="disabled">|\s<skipped message="SKIP_)')
failed=$(($(count '^\s<testcase ') - passed - skipped))
echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
