#!/usr/bin/env bash
# Trains and judges models on the five splits of a zoo, and writes one report with means and standard deviations.
#   tools/experiment.sh ZOO OUT ["MODEL [OPTION OF weft train...]"...]     without models: those for such networks
# SPLITS: other splits than "0 1 2 3 4".
set -euo pipefail
weft=$(dirname "$0")/../build/release/apps/weft
zoo=$1 out=$2
shift 2
models=(magep statnn balanced-statnn mlp)
grep -q '"tanh"' "$zoo/zoo.json" && models=(magep statnn mlp)  # balancing is for positive scales
grep -q '"architecture": *"transformer"' "$zoo/zoo.json" && models=("transformer-nfn --classifier magep" token-probes statnn mlp)
[ $# -eq 0 ] || models=("$@")
runs=()
for model in "${models[@]}"; do
  read -ra words <<<"$model"
  name=$out/$(sed 's/ -*/-/g' <<<"$model")
  for split in ${SPLITS:-0 1 2 3 4}; do
    run=$name-$split
    "$weft" train --zoo "$zoo" --model "${words[@]}" --split "$split" --out "$run" --resume
    [ -e "$run/eval.json" ] || "$weft" eval --model "$run" --zoo "$zoo" --split "$split"
    runs+=(--run "$run")
  done
  # A baseline is not invariant: its FAIL is a line of the report.
  if ! "$weft" verify --model "$run" --out "$run/verify.json" --force && [ "$model" = "${models[0]}" ]; then exit 1; fi
done
"$weft" report --zoo "$zoo" "${runs[@]}" --out "$out/report.html" --force
