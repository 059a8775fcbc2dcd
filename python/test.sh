#!/usr/bin/env bash
# Builds the wheel on a weft that is built, installs it into an environment of its own, and runs python/tests there. Exit code 77:
# what Python needs is not to be had here.
#   python/test.sh BUILD [PYTEST-OPTION...]
# PYTHON is the interpreter, else python3.
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
shift
python=${PYTHON:-python3}
skip() { echo "python: skipped, $1"; exit 77; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || skip "Python 3.11 or later is needed"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
folder=$build/python-$version
mkdir -p "$folder"
[ -x "$folder/venv/bin/pip" ] || "$python" -m venv "$folder/venv" >"$folder/log" 2>&1 ||
  skip "python3 -m venv fails; as root: apt-get install python3-venv"
packages=(nanobind scikit-build-core numpy mypy pytest hypothesis matplotlib)
"$folder/venv/bin/python" -c 'import nanobind, scikit_build_core, numpy, mypy, pytest, hypothesis, matplotlib' 2>"$folder/log" ||
  "$folder/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" >"$folder/log" 2>&1 ||
  skip "pip cannot install ${packages[*]} (no network?)"

export PATH=$folder/venv/bin:$PATH
begin=$SECONDS
cmake --install "$build" --strip --prefix "$folder/prefix" >/dev/null
rm -rf "$folder/wheel"
pip wheel -q --disable-pip-version-check --no-build-isolation --no-deps --wheel-dir "$folder/wheel" "-Cbuild-dir=$folder/build" \
  "-Ccmake.define.weft_DIR=$folder/prefix/lib/cmake/weft" "$source"
pip install -q --disable-pip-version-check --no-deps --force-reinstall "$folder"/wheel/weft-*.whl
echo "python: the wheel was built in $((SECONDS - begin)) s, $(du -k "$folder"/wheel/weft-*.whl | cut -f1) KiB"
cd "$folder"
WEFT_SOURCE_DIR=$source python -m pytest -q -rs -p no:cacheprovider "$@" "$source/python/tests"
