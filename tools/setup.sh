#!/usr/bin/env bash
# Installs the Debian packages that weft's build and tests need and that are missing. Run by demo.sh and test.sh.
#   tools/setup.sh             what every build needs
#   tools/setup.sh tests       also what tests of the sources run (test.sh)
#   tools/setup.sh collect DIR unpacks what a build needs, compilers apart, into DIR, for a machine without a network (tools/gpu_check.sh)
#   tools/setup.sh sanitizers  also clang and its sanitizers (tools/sanitize.sh, tools/fuzz.sh)
set -euo pipefail

packages=(g++ cmake ninja-build libfmt-dev doctest-dev nlohmann-json3-dev libcli11-dev zlib1g-dev libminizip-dev libopenblas-serial-dev libeigen3-dev)
if [ "${1:-}" = tests ]; then
  packages+=(python3 python3-numpy python3-venv python3-dev clang-format-14 openmpi-bin libopenmpi-dev)
fi
if [ "${1:-}" = sanitizers ]; then
  packages+=(clang-14 libclang-rt-14-dev llvm-14)
fi

if [ "${1:-}" = collect ]; then
  folder=${2:?setup: name the folder, as in tools/setup.sh collect DIR}
  mkdir -p "$folder"
  download=$(mktemp -d)
  trap 'rm -rf "$download"' EXIT
  # The packages themselves, and the libraries that they link.
  cd "$download"
  apt-get download -qq libfmt-dev libfmt9 doctest-dev nlohmann-json3-dev libcli11-dev zlib1g-dev zlib1g libminizip-dev libminizip1 libopenblas-serial-dev \
    libopenblas0-serial libgfortran5 libquadmath0 libeigen3-dev
  cd - >/dev/null
  for package in "$download"/*.deb; do dpkg-deb -x "$package" "$folder"; done
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "setup: missing ${missing[*]}; run as root, or install them and try again" >&2; exit 1; }
  as_root=(sudo)
fi
echo "setup: installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
