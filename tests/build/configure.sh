#!/usr/bin/env bash
# Configures weft, alone and within another project, in every way that a user may: both generators, static and shared, with CUDA
# where there is nvcc, and without.
#   configure.sh SOURCE CUDA
set -uo pipefail
source=$1 cuda=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
for generator in "Unix Makefiles" Ninja; do
  for project in "$source" "$source/tests/build/subproject"; do
    for with in $([ "$cuda" = 1 ] && echo ON) OFF; do
      for shared in OFF ON; do
        settings=(-DBUILD_SHARED_LIBS="$shared" -DWEFT_CUDA="$with" -DWEFT_SOURCE="$source")
        cmake -S "$project" -B "$folder/build" -G "$generator" "${settings[@]}" >"$folder/log" 2>&1 && continue
        cat "$folder/log"
        echo "configure: failed: cmake -S $project -G '$generator' ${settings[*]}"
        failed=1
      done
    done
    rm -rf "$folder/build"
  done
done
exit "$failed"
