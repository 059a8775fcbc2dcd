#!/usr/bin/env bash
# Runs every libFuzzer target for some time each; exits non-zero at the first finding, whose input is then in
# build/fuzz/findings. New inputs go to build/fuzz/found; `tools/fuzz.sh --merge` adds those among them that reach new code
# to the corpus in the sources, which the test io_corpus replays.
#   tools/fuzz.sh [SECONDS]      default 600
set -euo pipefail
cd "$(dirname "$0")/.."

targets=(safetensors idx csv state model)
options=(-max_len=16384 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -print_funcs=0)

if [[ ${1-} == --merge ]]; then
  for target in "${targets[@]}"; do
    longest=1024
    [[ $target == state || $target == model ]] && longest=16384
    "build/fuzz/tests/fuzz/weft_${target}_fuzz" -merge=1 -max_len=$longest -use_counters=0 -verbosity=0 \
      "tests/fuzz/corpus/$target" "build/fuzz/found/$target"
  done
  exit
fi

tools/setup.sh sanitizers
cmake --preset fuzz
cmake --build --preset fuzz --target weft_make_corpus $(printf "weft_%s_fuzz " "${targets[@]}")
mkdir -p build/fuzz/findings
for target in "${targets[@]}"; do
  mkdir -p "build/fuzz/found/$target"
  dictionary=()
  [[ -f tests/fuzz/$target.dict ]] && dictionary=("-dict=tests/fuzz/$target.dict")
  echo "== $target: ${1-600} s"
  "build/fuzz/tests/fuzz/weft_${target}_fuzz" "${options[@]}" "${dictionary[@]}" -max_total_time="${1-600}" \
    -artifact_prefix="build/fuzz/findings/$target-" "build/fuzz/found/$target" "tests/fuzz/corpus/$target"
done
echo "no finding"
