#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Does what docs/first_layer.md says, each way from an empty folder: first_layer.sh [SECTION...]   (all of them)
# The library must be installed: PKG_CONFIG_PATH, LD_LIBRARY_PATH and CMAKE_PREFIX_PATH say where. A line each
# with its time; a program that leaves another number of zeros, or a loss that is not small, has failed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
NNCF=$(dirname "$(dirname "$here")")
page=$NNCF/docs/first_layer.md
work=$(mktemp -d)
GOCACHE=$work/gocache # Go's own remembers where the library was
export NNCF GOCACHE
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

# block SECTION FILE OUT: the code that follows `FILE`: in a section
block() {
  mkdir -p "$(dirname "$3")"
  awk -v section="## $1" -v file="\`$2\`:" '
    /^## / { inside = $0 == section || index($0, section ",") == 1 }
    !inside { next }
    /^```$/ { code = 0 }
    code { print }
    /^```[a-z]/ && (last ~ file "$" || (file == "`sh`:" && $0 == "```sh")) { code = 1 }
    { last = $0 }' "$page" >"$3"
  [ -s "$3" ] || { echo "$page has no $2 in section $1" >&2; exit 1; }
}

declare -A files=([C]=program.c [C++]=program.cpp [CMake]='CMakeLists.txt' [Meson]=meson.build [Python]=first.py
  [Rust]='Cargo.toml src/main.rs' [Go]=main.go)
[ $# -gt 0 ] || set -- C C++ CMake Meson Python Rust Go
for section in "$@"; do
  folder=$work/$section/first
  mkdir -p "$folder"
  for file in ${files[$section]}; do block "$section" "$file" "$folder/$file"; done
  case "$section" in CMake | Meson) block C program.c "$folder/program.c" ;; esac
  block "$section" sh "$work/$section/commands"
  TIMEFORMAT='%1R %1U %1S'
  (cd "$folder" && time bash -e ../commands >../log 2>&1) 2>"$work/$section/time" || {
    cat "$work/$section/log"
    echo "$section failed"
    exit 1
  }
  read -r seconds user system <"$work/$section/time"
  printf '%-7s %6.1f s, of the processors %.1f + %.1f s: %s\n' "$section" "$seconds" "$user" "$system" "$(tail -n 1 "$work/$section/log")"
  grep -qE '^loss 0\.00[0-9]*, 75 % zeros$' <(tail -n 1 "$work/$section/log") || { cat "$work/$section/log"; echo "$section: not what the page says"; exit 1; }
done
