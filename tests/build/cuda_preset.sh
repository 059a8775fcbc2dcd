#!/usr/bin/env bash
# Compiles the kernels for every architecture of the preset `cuda`; a release build has one.
#   cuda_preset.sh SOURCE BUILD
set -euo pipefail
mkdir -p "$2/cuda_preset"
cd "$1"
{
  cmake --preset cuda -B "$2/cuda_preset" -DWEFT_TESTS=OFF -DWEFT_APPS=OFF && cmake --build "$2/cuda_preset" --target weft_cuda_kernels
} >"$2/cuda_preset/log" 2>&1 || { cat "$2/cuda_preset/log"; exit 1; }
