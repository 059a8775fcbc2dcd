#!/usr/bin/env bash
# Runs every libFuzzer target for some time each; exits non-zero at the first finding, whose input is then in
# build/fuzz/findings. New inputs go to build/fuzz/found; `tools/fuzz.sh --merge` adds those among them that reach new code
# to the corpus in the sources, which the test io_corpus replays. States and models have no corpus there but the seeds that
# weft_make_corpus writes, for their bytes change with the models; the test damaged_states takes its own.
#   tools/fuzz.sh [SECONDS]              default 600
#   tools/fuzz.sh --runs N [TARGET...]   N executions of each target, or of these: of a reader 10^7 take 30 to 90 minutes
set -euo pipefail
cd "$(dirname "$0")/.."

parsers=(safetensors idx csv torch npy architecture) targets=("${parsers[@]}" state model)
options=(-max_len=16384 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -print_funcs=0)

if [[ ${1-} == --merge ]]; then
  for target in "${parsers[@]}"; do
    "build/fuzz/tests/fuzz/weft_${target}_fuzz" -merge=1 -max_len=1024 -use_counters=0 -verbosity=0 \
      "tests/fuzz/corpus/$target" "build/fuzz/found/$target"
  done
  exit
fi

limit=(-max_total_time="${1-600}")
if [[ ${1-} == --runs ]]; then
  limit=(-runs="$2")
  shift 2
  [[ $# -gt 0 ]] && targets=("$@")
fi
# Short stacks of allocations: a finding is run again to look at it.
export ASAN_OPTIONS=malloc_context_size=2:quarantine_size_mb=16

tools/setup.sh sanitizers
cmake --preset fuzz
cmake --build --preset fuzz --target weft_make_corpus $(printf "weft_%s_fuzz " "${targets[@]}")
mkdir -p build/fuzz/findings
build/fuzz/tests/fuzz/weft_make_corpus build/fuzz/seeds
for target in "${targets[@]}"; do
  mkdir -p "build/fuzz/found/$target"
  dictionary=() corpus=("build/fuzz/seeds/$target")
  [[ -f tests/fuzz/$target.dict ]] && dictionary=("-dict=tests/fuzz/$target.dict")
  [[ -d tests/fuzz/corpus/$target ]] && corpus+=("tests/fuzz/corpus/$target")
  echo "== $target: ${limit[*]}"
  "build/fuzz/tests/fuzz/weft_${target}_fuzz" "${options[@]}" "${dictionary[@]}" "${limit[@]}" \
    -artifact_prefix="build/fuzz/findings/$target-" "build/fuzz/found/$target" "${corpus[@]}"
done
echo "no finding"
