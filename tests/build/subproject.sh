#!/usr/bin/env bash
# Builds and runs a program of tests/build/subproject, which takes weft in by add_subdirectory.
#   subproject.sh SOURCE
set -euo pipefail
source=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
{
  cmake -S "$source/tests/build/subproject" -B "$folder/build" -G Ninja -DWEFT_SOURCE="$source" -DWEFT_CUDA=OFF &&
    cmake --build "$folder/build" --target files
} >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
cd "$folder/build"
./files
if ninja -t targets all | grep -E '^(weft/(tests|bench|examples)/|weft_tests)'; then
  echo "subproject: weft's tests are part of the user's build"
  exit 1
fi
