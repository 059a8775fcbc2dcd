#!/usr/bin/env bash
# Builds weft and runs the main job: train small networks, then predict their accuracy from their weights alone.
#   ./demo.sh [--data DIR]     DIR holds MNIST's IDX files; without it, digits are drawn
set -euo pipefail
cd "$(dirname "$0")"
tools/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release --target predict_accuracy
exec build/release/examples/predict_accuracy "$@"
