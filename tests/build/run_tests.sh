#!/usr/bin/env bash
# What tools/run_tests.sh says in its last line, and how it exits, for projects whose tests end in every way that ctest knows.
#   run_tests.sh SOURCE
set -uo pipefail
script=$1/tools/run_tests.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failures=0

# expect LAST_LINE EXIT_STATUS, the tests on standard input
expect() {
  cat >"$folder/CTestTestfile.cmake"
  output=$("$script" "$folder" 2>&1)
  status=$?
  last=$(tail -n 1 <<<"$output")
  if [ "$last" != "$1" ] || { [ "$status" -eq 0 ] && [ "$2" != 0 ]; } || { [ "$status" -ne 0 ] && [ "$2" = 0 ]; }; then
    printf 'run_tests: expected "%s" and exit status %s, got "%s" and %s\n' "$1" "$2" "$last" "$status"
    failures=1
  fi
}

expect "2 passed, 0 failed, 0 skipped" 0 <<'END'
add_test(a true)
add_test(b true)
END
expect "1 passed, 0 failed, 2 skipped" 0 <<'END'
add_test(a true)
add_test(skipped sh -c "exit 77")
set_tests_properties(skipped PROPERTIES SKIP_RETURN_CODE 77)
add_test(disabled true)
set_tests_properties(disabled PROPERTIES DISABLED ON)
END
expect "1 passed, 1 failed, 0 skipped" nonzero <<'END'
add_test(a true)
add_test(failed sh -c "echo ' 9/9 Test #9: x ... Passed 1.00 sec'; echo '***Skipped'; echo '<testcase name=\"y\" status=\"run\">'; false")
END
expect "0 passed, 2 failed, 0 skipped" nonzero <<'END'
add_test(not_built /nowhere/not_built)
add_test(not_built_NOT_BUILT not_built_NOT_BUILT)
END
expect "1 passed, 5 failed, 1 skipped" nonzero <<'END'
add_test(a true)
add_test(crash sh -c "kill -SEGV \$\$")
add_test(slow sleep 9)
set_tests_properties(slow PROPERTIES TIMEOUT 1)
add_test(setup false)
set_tests_properties(setup PROPERTIES FIXTURES_SETUP fixture)
add_test(needs_setup true)
set_tests_properties(needs_setup PROPERTIES FIXTURES_REQUIRED fixture)
add_test(wrong_output echo hello)
set_tests_properties(wrong_output PROPERTIES PASS_REGULAR_EXPRESSION "good day")
add_test(skipped sh -c "exit 77")
set_tests_properties(skipped PROPERTIES SKIP_RETURN_CODE 77)
END
expect "0 passed, 0 failed, 0 skipped" nonzero <<'END'
END
exit "$failures"
