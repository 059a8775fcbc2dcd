#!/usr/bin/env bash
# Moves small networks of PyTorch and Hugging Face with the command line and lets these libraries say whether their outputs
# stay (tests/peers), then runs the tests of the Python package beside PyTorch. Run by hand and before a release; docs/peers.txt
# is its last output. It makes an environment of its own, build/peers or $WEFT_PEERS_DIR, which is kept; torch is that of the
# system's Python where it has one.
#   tools/peers.sh [WEFT] [NAME...]    default build/release/apps/weft, all networks; part of a name picks some
#   tools/peers.sh WEFT python         the package alone, whose wheel python/test.sh builds
#   tools/peers.sh > docs/peers.txt    before a release
set -euo pipefail
cd "$(dirname "$0")/.."

environment=${WEFT_PEERS_DIR:-build/peers}
packages=(numpy transformers torchvision peft safetensors)
if [[ ! -e $environment/complete ]]; then
  options=(--system-site-packages)
  if ! python3 -c 'import torch' 2>/dev/null; then
    options=() packages=(torch "${packages[@]}")
  fi
  python3 -m venv "${options[@]}" "$environment"
  "$environment/bin/pip" install --quiet "${packages[@]}" >&2
  touch "$environment/complete"
fi
weft=${1:-build/release/apps/weft}
[[ $# -gt 0 ]] && shift

failed=0
[[ "$*" == python ]] || "$environment/bin/python" tests/peers/compare.py "$weft" "$@" || failed=1
[[ $# -eq 0 || "$*" == python ]] || exit $failed

build=$(dirname "$(dirname "$weft")")
folder=$build/python-$("$environment/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
PYTHON=python3 python/test.sh "$build" --collect-only >&2
"$environment/bin/pip" install --quiet pytest hypothesis mypy matplotlib >&2
"$environment/bin/pip" install --quiet --no-deps --force-reinstall "$folder"/wheel/weft-*.whl >&2
WEFT_SOURCE_DIR=$PWD "$environment/bin/python" -m pytest -q -rs -p no:cacheprovider python/tests | tee /dev/stderr |
  sed -n 's/ in [0-9.]*s.*//; $s/^/The Python package beside PyTorch: /p'
exit $failed
