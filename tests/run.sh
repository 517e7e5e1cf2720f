#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, the engines that tests compare with included, builds, runs all tests. The last line counts them: "N passed, N failed".
# A skipped test is counted as skipped, never as passed; the exit status is 0 only when something passed and nothing failed.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
usage: tests/run.sh [--quick] [--no-engines] [ARGUMENT_OF_MESON_TEST...]
  --quick        smaller sweeps (sets NNCF_TEST_QUICK=1)
  --no-engines   without the engines and readers that exports and snapshots are compared with (ONNX Runtime,
                 OpenVINO, safetensors, TensorBoard): nothing comes from PyPI, and those tests are counted as skipped
Everything else goes to `meson test`: `tests/run.sh --suite unit`, `tests/run.sh config`.
The build folder is `build`; NNCF_BUILD_DIR names another one. What comes from PyPI goes into the virtual
environment `build-venv` (about 400 MB); NNCF_VENV names another one.
TEXT
}
arguments=() engines=true
for argument in "$@"; do
  case "$argument" in
    -h | --help)
      usage
      exit 0
      ;;
    --quick) export NNCF_TEST_QUICK=1 ;;
    --no-engines) engines=false ;;
    *) arguments+=("$argument") ;;
  esac
done

build=${NNCF_BUILD_DIR:-build}
NNCF_VENV=$(realpath -m "${NNCF_VENV:-build-venv}") # tests run in the build folder
if ! $engines; then
  NNCF_VENV=$(realpath -m "$build/no-engines") # is never there
fi
export NNCF_VENV
if $engines && ! ./.ci/setup.sh python; then
  cat >&2 <<'TEXT'

The engines that tests compare with could not be installed; the reason is above. They come from PyPI, or from the mirror
that pip is set up for. To run all other tests without them: tests/run.sh --no-engines
TEXT
  printf '\nno test ran\n0 passed, 1 failed\n'
  exit 1
fi
if ! { ./.ci/setup.sh build test && ./.ci/configure.sh "$build" -Dtests=true -Dexamples=true && ninja -C "$build" --quiet; }; then
  printf '\nnothing could be built, so no test ran\n0 passed, 1 failed\n'
  exit 1
fi

status=0
rm -f "$build"/meson-logs/testlog*.json
meson test -C "$build" --no-rebuild --print-errorlogs "${arguments[@]}" </dev/null || status=$?
echo
./.ci/count_tests.py "$build/meson-logs/testlog.json" || status=1
exit "$status"
