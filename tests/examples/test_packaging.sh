#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Man pages and completion have every option of --help: test_packaging.sh NNCF_CONFIG NNCF_CLASSIFICATION NNCF_REPORT
set -euo pipefail
set -- "$(realpath "$1")" "$(realpath "$2")" "$(realpath "$3")"
folder=$(cd "$(dirname "$0")/../../examples/packaging" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$1"; exit 1; }

complete_words() { # PROGRAM WORD... : what is offered for the last word
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  _nncf_complete "$1"
  printf '%s\n' "${COMPREPLY[@]}" | sort
}
# shellcheck source=/dev/null
source "$folder/completion.bash"

for program in "$1" "$2" "$3"; do
  name=$(basename "$program")
  python3 "$folder/man.py" 1.2.3 "a purpose" "$program" >"$work/$name.1"
  grep -q '^a purpose$\|\\- a purpose$' "$work/$name.1" || fail "$name.1: no brief"
  options=$("$program" --help | grep -E '^  --' | grep -oE -- '^  --[a-z-]+|, --[a-z]+' | tr -d ', ' | sort)
  [ "$(wc -l <<<"$options")" -ge 3 ] || fail "$name --help has few options: $options"
  for option in $options; do
    grep -qF -- "${option//-/\\-}" "$work/$name.1" || fail "$name.1: $option is missing"
  done
  [ "$(complete_words "$program" --)" = "$options" ] || fail "$name: completion offers $(complete_words "$program" --)"
done

[ "$(complete_words "$1" mi)" = migrate ] || fail "nncf-config mi: $(complete_words "$1" mi)"
mkdir "$work/here"
touch "$work/here/a.json"
cd "$work/here"
[ "$(complete_words "$1" check a)" = a.json ] || fail "no files: $(complete_words "$1" check a)"
[ "$(complete_words "$2" --config a)" = a.json ] || fail "no files after --config"
[ -z "$(complete_words "$2" --data a)" ] || fail "a file after --data"
[ -z "$(complete_words "$2" --epochs '')" ] || fail "files for a number"
