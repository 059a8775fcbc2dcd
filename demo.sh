#!/usr/bin/env bash
# Builds weft and runs the main job: a zoo of small networks, models that predict their accuracy from their weights alone,
# their proof, and a report.
#   ./demo.sh [OPTIONS]     of `weft demo`: --out DIR (default: demo), --data mnist --data-dir DIR, …; --help lists them
set -euo pipefail
cd "$(dirname "$0")"
tools/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release --target weft_cli
exec build/release/apps/weft demo --out demo "$@"
