#!/usr/bin/env bash
# Moves small networks of PyTorch and Hugging Face with the command line and lets these libraries say whether their outputs
# stay (tests/peers). Run by hand and before a release; docs/peers.txt is its last output. It makes an environment of its
# own, build/peers or $WEFT_PEERS_DIR, which is kept; torch is that of the system's Python where it has one.
#   tools/peers.sh [WEFT] [NAME...]    default build/release/apps/weft, all networks; part of a name picks some
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
exec "$environment/bin/python" tests/peers/compare.py "$weft" "$@"
