#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The library as a Meson subproject of a program, shared and static: nothing but the library is built, of the kind that
# nncf:default_library names. Plain C and no optimization, so that it takes little time.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/program" "$work/program/subprojects"
cp "$here"/program.c "$here"/program.cpp "$here"/program.hpp "$here"/training.cpp "$here"/subproject/meson.build "$work/program"
ln -s "$(dirname "$(dirname "$here")")" "$work/program/subprojects/nncf"

# Without the fallback Meson would take a library that is installed.
meson setup "$work/build" "$work/program" --wrap-mode=forcefallback -Doptimization=0 -Ddebug=false \
  -Dnncf:default_library=shared -Dnncf:max_isa=portable -Dnncf:blis=disabled -Dnncf:onnx=disabled >"$work/log" || { cat "$work/log"; exit 1; }
for kind in shared static; do
  meson configure "$work/build" -Dnncf:default_library=$kind
  ninja -C "$work/build" --quiet >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
  targets=$(ninja -C "$work/build" -t targets all)
  if grep -qE '/(tests|examples)/' <<<"$targets"; then
    echo "tests or examples are built in a subproject"
    exit 1
  fi
  files=$(sed -n 's|.*/\(libnncf\.[^:]*\): .*_LINKER.*|\1|p' <<<"$targets")
  echo "== $kind: $files"
  expected=$([ $kind = shared ] && echo '^libnncf[.]so[.][0-9.]*$' || echo '^libnncf[.]a$')
  [[ $files =~ $expected ]] || { echo "other libraries than asked for"; exit 1; }
  "$work/build/c"
  "$work/build/cpp" "$work"
done
