#!/usr/bin/env bash
# Trains and judges readers or editors of a zoo of implicit networks, two at a time on one thread each, and writes one report.
#   tools/experiment_inr.sh ZOO OUT "MODEL:SEEDS ..." [OPTIONS of weft train]      as "inr-magep:3 probes:3 graph:1"
set -euo pipefail
weft=$(dirname "$0")/../build/release/apps/weft
zoo=$1 out=$2 models=$3
shift 3
jobs_of() {
  for entry in $models; do
    for ((seed = 0; seed < ${entry#*:}; ++seed)); do printf '%s %s\n' "${entry%:*}" "$seed"; done
  done
}
one() {
  local model=$1 seed=$2 run=$out/$1-$2
  shift 2
  "$weft" train --zoo "$zoo" --model "$model" --seed "$seed" --out "$run" --threads 1 --resume --quiet "$@"
  [ -e "$run/eval.json" ] || "$weft" eval --model "$run" --threads 1 --quiet
}
export -f one
export weft zoo out
mkdir -p "$out"
jobs_of | xargs -P 2 -L 1 bash -ec 'one "${@: -2}" "${@:1:$#-2}"' one "$@"
jobs_of | sed "s|\(.*\) \(.*\)|--run $out/\1-\2|" | xargs "$weft" report --zoo "$zoo" --out "$out/report.html" --force
