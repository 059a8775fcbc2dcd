#!/usr/bin/env bash
# Installs a build into a temporary prefix and builds and runs tests/build/consumer and examples/embed against it.
#   install.sh SOURCE BUILD
set -euo pipefail
source=$1 build=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cmake --install "$build" --prefix "$folder/prefix" >/dev/null
# Bodies of loops, what devices have of their own, tests' cases and Eigen's users stay here.
if (cd "$folder/prefix/include/weft" && find . -name '*_bodies.h' -o -name 'device_*.h' -o -name '*case*.h' -o -path '*/internal/*' |
  grep .); then
  echo "install: a header that is nobody's business"
  exit 1
fi
for file in man/man1/weft.1 man/man1/weft-zoo-make.1 bash-completion/completions/weft zsh/site-functions/_weft \
  fish/vendor_completions.d/weft.fish; do
  test -s "$folder/prefix/share/$file" || { echo "install: no share/$file"; exit 1; }
done
if grep -rn --include="*.cmake" "$source" "$folder/prefix"; then
  echo "install: the exported files name the source folder"
  exit 1
fi

cmake -S "$source/tests/build/consumer" -B "$folder/build" -G Ninja -DCMAKE_PREFIX_PATH="$folder/prefix" >"$folder/log" ||
  { cat "$folder/log"; exit 1; }
cmake --build "$folder/build" >"$folder/log" || { cat "$folder/log"; exit 1; }
cd "$folder/build"
./consumer
./files
if ldd ./files | grep -E 'gomp|libomp|blas'; then
  echo "install: a program with weft::safetensors alone needs more than it should"
  exit 1
fi

# The example of the documentation, with the command line that was installed beside it.
cmake -S "$source/examples/embed" -B "$folder/embed" -G Ninja -DCMAKE_PREFIX_PATH="$folder/prefix" >"$folder/log" ||
  { cat "$folder/log"; exit 1; }
cmake --build "$folder/embed" >"$folder/log" || { cat "$folder/log"; exit 1; }
weft=$folder/prefix/bin/weft
"$weft" zoo make --out "$folder/zoo" --networks 4 --images 40 --test-images 20 --epochs 1 --quiet
"$weft" zoo export --zoo "$folder/zoo" --id 0 --out "$folder/net.safetensors" --quiet
"$folder/embed/embed" "$folder/net.safetensors"
