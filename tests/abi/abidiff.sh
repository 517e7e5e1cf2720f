#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The binary interface of a shared library that was built with debug information, against that of a release:
# abidiff.sh LIBRARY HEADERS [RELEASE.abi]   (by default each tests/abi/libnncf-*.abi; without one, the library itself)
# A release's file is made by: abidw --headers-dir include/nncf --out-file tests/abi/libnncf-VERSION.abi LIBRARY
# Also checked: that a changed struct and a function that is gone are found, and the soname.
set -euo pipefail
library=$1 headers=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "abidiff.sh: $1" >&2; exit 1; }

soname=$(readelf -d "$library" | sed -n 's/.*Library soname: \[\(.*\)\]/\1/p')
version=$(sed -n "s/^ *version: '\([0-9.]*\)',$/\1/p" "$here/../../meson.build")
case $version in
  0.*) expected=libnncf.so.$(cut -d. -f1,2 <<<"$version") ;; # a 0.x release may break with the next one
  *) expected=libnncf.so.${version%%.*} ;;
esac
[ "$soname" = "$expected" ] || fail "the soname is '$soname', not '$expected' as version $version needs"

abidw --headers-dir "$headers" --out-file "$work/now.abi" "$library"
functions=$(grep -c "<elf-symbol name='nncf_" "$work/now.abi" || true)
grep -q "<class-decl name='nncf_conv2d_params'" "$work/now.abi" || fail "$library has no debug information of its types"

differ() { ! abidiff --headers-dir2 "$headers" "$1" "$library" >"$work/log" 2>&1; }
sed "s/\(<class-decl name='nncf_conv2d_params' size-in-bits='\)[0-9]*'/\18'/" "$work/now.abi" >"$work/struct.abi"
sed "s/'nncf_model_add_conv2d'/'nncf_model_add_conv2e'/g" "$work/now.abi" >"$work/function.abi"
for change in struct function; do
  cmp -s "$work/now.abi" "$work/$change.abi" && fail "the test changes no $change"
  differ "$work/$change.abi" || fail "a changed $change is not found"
done

releases=("$@")
releases=("${releases[@]:2}")
if [ ${#releases[@]} = 0 ]; then
  mapfile -t releases < <(find "$here" -name 'libnncf-*.abi' | sort)
fi
for release in "$work/now.abi" "${releases[@]}"; do
  if differ "$release"; then
    cat "$work/log"
    fail "$library differs from $release, see above"
  fi
done
echo "$functions functions; soname $soname; the same interface as ${#releases[@]} releases, and as itself"
