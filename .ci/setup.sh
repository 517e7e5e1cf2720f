#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing: .ci/setup.sh SET...   (sets: build data test ci python bench bindings mpi aarch64)
# Debian 12 package names. Where nothing is missing nothing is run, so a second run needs no network and no root.
# `python` is a virtual environment with the engines and readers that tests compare with (ONNX Runtime, OpenVINO, TensorBoard, ...) in
# the folder that NNCF_VENV names, build-venv by default; nothing else is touched. tests/run.sh makes it.
# `aarch64` is a cross compiler, qemu-user, and arm64 packages, unpacked in the folder that NNCF_AARCH64_ROOT names,
# build-aarch64 by default. They are not installed, and the system's architectures stay as they are: on a system whose own
# packages are older or newer, those of another architecture would not install beside them.
set -euo pipefail

packages_of() {
  case "$1" in
    # dpkg-dev: without it Meson installs into lib64, where neither pkg-config nor the loader of Debian looks
    build) echo gcc libc6-dev dpkg-dev meson ninja-build pkg-config libblis-dev libjson-c-dev zlib1g-dev libjpeg-dev libpng-dev \
      libpcre2-dev libonnx-dev libprotobuf-c-dev protobuf-c-compiler ;;
    mpi) echo libopenmpi-dev openmpi-bin ;;
    data) echo dataset-fashion-mnist fortunes ;;
    test) echo check g++ python3 python3-jsonschema binutils ;;
    # libomp-dev: Debian's blis.h includes omp.h, which gcc brings along and clang does not
    # ccache: Meson takes it by itself
    ci) echo git ccache clang clang-format libclang-rt-14-dev libomp-dev valgrind libc6-dbg util-linux python3-jsonschema doxygen \
      cmake libdnnl-dev abigail-tools iproute2 ;;
    python) echo python3 python3-venv ;;
    # what tests/bench compares with; the last ones compile the C++ functions of NNCF on PyTorch
    bench) echo libdnnl-dev python3 python3-torch python3-torchvision libtcmalloc-minimal4 python3-venv g++ ninja-build \
      python3-dev libtorch-dev pybind11-dev ;;
    # what examples/bindings compiles with; only .ci/run installs it. bindgen loads libclang, and does not depend on it
    bindings) echo cargo rustc bindgen libclang-dev golang-go python3-venv python3-torch python3-cffi ;;
    aarch64) echo gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user ;;
    *)
      echo "setup: there is no package set '$1' (build, data, test, ci, python, bench, bindings, mpi, aarch64)" >&2
      exit 2
      ;;
  esac
}

# PyPI, at test time only; versions fixed, so that a comparison says the same tomorrow.
python_packages=(numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1 safetensors==0.8.0 cffi==2.1.1 pytest==9.2.0 tensorboard==2.21.0)
# What docs/first_layer.md installs in an environment of its own: a test does so from these files, without a network.
python_wheels=(numpy==2.4.6 cffi==2.1.1 setuptools==80.9.0)
install_python() {
  local venv=${NNCF_VENV:-$(dirname "$0")/../build-venv} list="${python_packages[*]} ${python_wheels[*]}" log
  [ "$(cat "$venv/installed.txt" 2>/dev/null)" != "$list" ] || return 0
  if [ -e "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ]; then
    echo "setup: '$venv' is there and is no virtual environment; name another folder in NNCF_VENV" >&2
    exit 1
  fi
  echo "setup: from PyPI into the virtual environment $venv (about 400 MB): $list"
  log=$(mktemp)
  if ! { mkdir -p "$(dirname "$venv")" && rm -rf "$venv" && python3 -m venv "$venv" &&
    "$venv/bin/pip" install --quiet --disable-pip-version-check "${python_packages[@]}" &&
    "$venv/bin/pip" download --quiet --disable-pip-version-check --dest "$venv/wheels" "${python_wheels[@]}"; } >"$log" 2>&1 </dev/null; then
    tail -n 30 "$log" >&2
    rm -f "$log"
    echo "setup: the virtual environment $venv could not be made; its last lines are above." >&2
    exit 1
  fi
  rm -f "$log"
  echo "$list" >"$venv/installed.txt" # last: what was interrupted is made anew
}

# What is built for AArch64 needs: libraries and headers, and for qemu libc. Lists of packages lie in the folder, too.
aarch64_packages=(libc6 libgcc-s1 libjson-c5 libjson-c-dev libpcre2-8-0 libpcre2-dev zlib1g zlib1g-dev libjpeg62-turbo
  libjpeg62-turbo-dev check libsubunit0 libsubunit-dev)
unpack_aarch64() {
  local root=${NNCF_AARCH64_ROOT:-$(dirname "$0")/../build-aarch64} list="${aarch64_packages[*]}" log apt
  root=$(realpath -m "$root")
  [ "$(cat "$root/unpacked.txt" 2>/dev/null)" != "$list" ] || return 0
  if [ -e "$root" ] && [ ! -e "$root/apt" ]; then
    echo "setup: '$root' is there and was not made by this script; name another folder in NNCF_AARCH64_ROOT" >&2
    exit 1
  fi
  echo "setup: arm64 packages into $root: $list"
  apt=(apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::Lists="$root/apt/lists"
    -o Dir::Cache="$root/apt" -o Dir::State::status=/dev/null -o APT::Sandbox::User= -o Acquire::Retries=3
    -o Acquire::Languages=none)
  log=$(mktemp)
  if ! { rm -rf "$root" && mkdir -p "$root/apt/lists/partial" "$root/apt/archives/partial" && cd "$root/apt" &&
    { "${apt[@]}" update || true; } && "${apt[@]}" download "${aarch64_packages[@]}" &&
    printf '%s\n' ./*.deb | xargs -I DEB dpkg-deb -x DEB "$root"; } >"$log" 2>&1 </dev/null; then
    tail -n 30 "$log" >&2
    rm -f "$log"
    echo "setup: the arm64 packages could not be unpacked in $root; the last lines are above." >&2
    exit 1
  fi
  rm -f "$log" ./*.deb
  printf "[constants]\nroot = '%s'\n" "$root" >"$root/root.ini" # the second cross file: see .ci/aarch64.ini
  echo "$list" >"$root/unpacked.txt" # last: what was interrupted is made again
}
finish() {
  case " $* " in
    *" python "*) install_python ;;
  esac
  case " $* " in
    *" aarch64 "*) (unpack_aarch64) || exit 1 ;;
  esac
  exit 0
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
  finish "$@"
fi

missing=()
for package in "${wanted[@]}"; do
  # "ii": wanted and installed; "hi": on hold and installed
  status=$(dpkg-query -W -f='${db:Status-Abbrev}\n' "$package" 2>/dev/null | grep -c '^.i' || true)
  [ "$status" != 0 ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || finish "$@"

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
finish "$@"
