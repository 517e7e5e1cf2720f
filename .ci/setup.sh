#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing: .ci/setup.sh SET...   (sets: build data test ci)
# Debian 12 package names. Where nothing is missing nothing is run, so a second run needs no network and no root.
set -euo pipefail

packages_of() {
  case "$1" in
    # dpkg-dev: without it Meson installs into lib64, where neither pkg-config nor the loader of Debian looks
    build) echo gcc libc6-dev dpkg-dev meson ninja-build pkg-config libblis-dev libjson-c-dev zlib1g-dev libjpeg-dev ;;
    data) echo dataset-fashion-mnist ;;
    test) echo check g++ python3 binutils ;;
    # libomp-dev: Debian's blis.h includes omp.h, which gcc brings along and clang does not
    ci) echo git clang clang-format libclang-rt-14-dev libomp-dev valgrind libc6-dbg util-linux ;;
    *)
      echo "setup: there is no package set '$1' (build, data, test, ci)" >&2
      exit 2
      ;;
  esac
}

wanted=()
for set_name in "$@"; do
  list=$(packages_of "$set_name")
  # shellcheck disable=SC2206 # a list of words is what it is
  wanted+=($list)
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "setup: this is not a Debian system, so nothing is installed. On Debian 12 these packages are needed:" >&2
  echo "       ${wanted[*]}" >&2
  exit 0
fi

missing=()
for package in "${wanted[@]}"; do
  # "ii": wanted and installed; "hi": on hold and installed
  status=$(dpkg-query -W -f='${db:Status-Abbrev}\n' "$package" 2>/dev/null | grep -c '^.i' || true)
  [ "$status" != 0 ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "setup: these packages are missing, and installing them takes root or sudo:" >&2
    echo "       ${missing[*]}" >&2
    echo "       As root: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
as_root+=(env DEBIAN_FRONTEND=noninteractive)

echo "setup: installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run_logged() {
  if ! "$@" >>"$log" 2>&1 </dev/null; then # update alone may only warn: its words are kept for install
    tail -n 30 "$log" >&2
    echo "setup: '$*' failed; its last lines are above." >&2
    echo "       It needs a network or a Debian mirror with: ${missing[*]}" >&2
    exit 1
  fi
}
# sudo may ask for its password: before the output goes to a file.
[ "$(id -u)" = 0 ] || sudo true
run_logged "${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 update
run_logged "${as_root[@]}" apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 install --no-install-recommends "${missing[@]}"
