#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# .ci/configure.sh FOLDER [-Doption=value...]: meson setup, or meson configure where the folder is one already.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
shift
if [ -f "$build/build.ninja" ] && [ -f "$build/meson-private/coredata.dat" ]; then
  [ $# -eq 0 ] || meson configure "$build" "$@"
else
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  # What remains of a setup that failed half-way is in the way of the next one.
  if [ -d "$build/meson-private" ] || [ ! -e "$build" ] || [ -z "$(ls -A "$build")" ]; then
    rm -rf "$build"
  else
    echo "configure: '$build' exists and is no build folder; name another one in NNCF_BUILD_DIR" >&2
    exit 1
  fi
  if ! meson setup "$build" "$@" >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
  fi
fi
