#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the bindings against an installed library and runs their tests: run.sh PREFIX [python] [torch] [rust] [go]   (all of them)
# Nothing is written into the source; what is built goes into a temporary folder. NNCF_VENV names the virtual environment
# that .ci/setup.sh makes; Rust and Go need no network.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
prefix=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- python torch rust go
libdir=$(dirname "$(find "$prefix" -name libnncf.so)")
[ -e "$libdir/libnncf.so" ] || { echo "libnncf.so is not under $prefix"; exit 1; }
export PKG_CONFIG_PATH=$libdir/pkgconfig LD_LIBRARY_PATH=$libdir
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run_python() {
  local python=${NNCF_VENV:-$here/../../build-venv}/bin/python
  cp -r "$here/python" "$work/python"
  "$python" "$work/python/make_abi.py" "$prefix/include"
  PYTHONPATH=$work/python/src NNCF_SOURCE=$here/../.. "$python" -m pytest -q -p no:cacheprovider "$work/python"
}

# The layers under a module of PyTorch: Debian's python3-torch and python3-cffi.
run_torch() {
  cp -r "$here/python" "$work/torch"
  /usr/bin/python3 "$work/torch/make_abi.py" "$prefix/include"
  PYTHONPATH=$work/torch/src /usr/bin/python3 "$work/torch/example_torch.py"
}

run_rust() {
  cp -r "$here/rust" "$work/rust"
  (cd "$work/rust" && CARGO_HOME=$work/cargo cargo test --offline --quiet)
}

run_go() {
  cp -r "$here/go" "$work/go"
  (cd "$work/go" && GOCACHE=$work/gocache GOPATH=$work/gopath GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local go vet . && \
    GOCACHE=$work/gocache GOPATH=$work/gopath GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local go test .)
}

for language in "$@"; do
  declare -F "run_$language" >/dev/null || { echo "run.sh: no language '$language'" >&2; exit 2; }
  begin=$SECONDS
  "run_$language"
  echo "== $language: $((SECONDS - begin)) s"
done
