#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# .ci/configure.sh FOLDER [--OPTION...] [-Doption=value...]: meson setup; in a folder that is set up already only the
# -D options that differ are set, so that nothing is built again for nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
shift
# An option that is given twice is what it is given last, in a folder that is set up already too.
options=()
while [ $# -gt 0 ]; do
  [[ $1 == -D*=* && " ${*:2} " == *" ${1%%=*}="* ]] || options+=("$1")
  shift
done
set -- "${options[@]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() {
  if ! "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    exit 1
  fi
}

if [ -f "$build/build.ninja" ] && [ -f "$build/meson-private/coredata.dat" ]; then
  # e.g. /tests=true/examples=true/ ; meson introspect gives one JSON array
  present=/$(meson introspect --buildoptions "$build" | sed 's/}, *{/\n/g' |
    sed -n 's/.*"name": "\([^"]*\)", "value": "\([^"]*\)".*/\1=\2/p; t; s/.*"name": "\([^"]*\)", "value": \([^,]*\).*/\1=\2/p' |
    tr '\n' '/')
  changed=()
  for option in "$@"; do
    case "$option" in
      -D*) [[ $present == */"${option#-D}"/* ]] || changed+=("$option") ;;
    esac
  done
  if [ ${#changed[@]} -gt 0 ]; then
    quietly meson configure "$build" "${changed[@]}"
    quietly meson setup --reconfigure "$build"
  fi
else
  # What remains of a set-up that failed half-way is in the way of the next one.
  if [ -e "$build" ] && [ ! -d "$build/meson-private" ] && [ -n "$(ls -A "$build")" ]; then
    echo "configure: '$build' exists and is no build folder; name another one in NNCF_BUILD_DIR" >&2
    exit 1
  fi
  rm -rf "$build"
  quietly meson setup "$build" "$@"
fi
