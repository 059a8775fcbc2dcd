#!/usr/bin/env bash
# Builds weft with CUDA and checks it on this machine's GPU: device tests, training steps beside PyTorch where it is,
# then the tests under compute-sanitizer. Needs no network.
#   tools/gpu_check.sh [DEPENDENCIES]    a folder that `tools/setup.sh collect DEPENDENCIES` filled, where packages are missing
# Everything goes to gpu_check.txt, line by line: it is of use when the run is cut off. WEFT_CUDA_ARCHS: 90, or what is set.
set -uo pipefail
cd "$(dirname "$0")/.."
result=$PWD/gpu_check.txt
build=build/gpu
: >"$result"
failed=0

# say WORD...: a line of the result. step NAME COMMAND...: runs it; its last lines and how it ended are in the result.
say() { echo "$(date +%H:%M:%S) $*" | tee -a "$result"; }
step() {
  local name=$1 log status
  shift
  log=$(mktemp)
  say "$name: started"
  "$@" >"$log" 2>&1
  status=$?
  tail -n 25 "$log" | sed 's/^/    /' >>"$result"
  [ "$status" -eq 0 ] || failed=$((failed + 1))
  say "$name: exit code $status"
  rm -f "$log"
  return "$status"
}

say "commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
step gpu nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv
step nvcc nvcc --version
settings=(-DCMAKE_BUILD_TYPE=Release -DWEFT_CUDA=ON -DWEFT_CUDA_ARCHS="${WEFT_CUDA_ARCHS:-90}")
if [ $# -gt 0 ]; then
  prefix=$(cd "$1" && pwd)/usr
  libraries=$prefix/lib/$(uname -m)-linux-gnu
  settings+=(-DCMAKE_PREFIX_PATH="$prefix" -DWEFT_CBLAS_DIR="$libraries/openblas-serial")
  export LD_LIBRARY_PATH=$libraries:$libraries/openblas-serial${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi
generator=()
command -v ninja >/dev/null && generator=(-G Ninja)
step configure cmake -S . -B "$build" "${generator[@]}" "${settings[@]}" || exit 1
step build cmake --build "$build" -j "$(nproc)" --target weft_cuda_tests weft_cuda_library_test weft_cuda_support weft_cli || exit 1

tests=$build/tests/device/weft_cuda_tests
step library "$build/tests/device/weft_cuda_library_test"
step support "$build/tests/device/weft_cuda_support"
areas=$(cd tests/device && ls ./*_test.cpp | sed -e 's#^./##' -e 's#_test.cpp$##' | grep -v '^library$')
for area in $areas; do
  step "$area" timeout 120 "$tests" --source-file="*/${area}_test.cpp"
done
weft=$build/apps/weft
for model in cnn inr transformer1 transformer2; do
  step "step $model" "$weft" bench step "$model" --device cuda:0 --seconds 3
done
python=$(command -v python3 || true)
if [ -n "$python" ] && "$python" -c "import torch" 2>/dev/null; then
  step torch timeout 300 "$python" bench/torch_device.py "$weft" --rounds 1
else
  say "PyTorch: not found, not compared"
fi
if command -v compute-sanitizer >/dev/null; then
  # Slow: by area, the fused kernels first.
  for area in magep transformer population graph memory random update product rows pointwise; do
    step "memcheck $area" timeout 900 compute-sanitizer --tool memcheck --error-exitcode 9 "$tests" --source-file="*/${area}_test.cpp"
  done
  for area in magep transformer population rows; do
    step "racecheck $area" timeout 900 compute-sanitizer --tool racecheck --error-exitcode 9 "$tests" --source-file="*/${area}_test.cpp"
  done
  step initcheck timeout 900 compute-sanitizer --tool initcheck --error-exitcode 9 "$tests" --source-file="*/pointwise_test.cpp"
else
  say "compute-sanitizer: not found, skipped"
fi
say "done, $failed steps failed"
[ "$failed" -eq 0 ]
