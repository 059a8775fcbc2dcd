#!/usr/bin/env bash
# Trains and judges every model on the five splits of a zoo and writes one report with means and standard deviations.
#   tools/experiment.sh ZOO OUT [OPTIONS of weft train]
set -euo pipefail
weft=$(dirname "$0")/../build/release/apps/weft
zoo=$1 out=$2
shift 2
models=(magep statnn balanced-statnn mlp)
grep -q '"tanh"' "$zoo/zoo.json" && models=(magep statnn mlp)  # balancing is for positive scales
grep -q '"architecture": *"transformer"' "$zoo/zoo.json" && models=(transformer-nfn statnn mlp)
runs=()
for model in "${models[@]}"; do
  for split in 0 1 2 3 4; do
    run=$out/$model-$split
    "$weft" train --zoo "$zoo" --model "$model" --split "$split" --out "$run" --resume "$@"
    [ -e "$run/eval.json" ] || "$weft" eval --model "$run" --zoo "$zoo" --split "$split"
    runs+=(--run "$run")
  done
  # A baseline is not invariant: its FAIL is a line of the report.
  if ! "$weft" verify --model "$out/$model-0" --out "$out/$model-0/verify.json" --force && [ "$model" = "${models[0]}" ]; then exit 1; fi
done
"$weft" report --zoo "$zoo" "${runs[@]}" --out "$out/report.html" --force
